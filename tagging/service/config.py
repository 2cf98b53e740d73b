"""What a service is configured by: a TOML file, read once when it starts."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    IPvAnyNetwork,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from tagging.config.base import Branch, Share
from tagging.errors import InvalidConfigError
from tagging.store.database.config import DatabaseConfig

Folder = Annotated[str, Field(pattern=r"^(/[^/]+)+$")]


WebOrigin = Annotated[str, Field(pattern=r"^https?://((\*\.)?[a-z0-9._-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?$")]


class SourcesConfig(Branch):
    """What a service opens for those who call it; by default nothing but the bytes that they send.

    `folders` are absolute. `origins` are SCHEME://HOST[:PORT], in lower case; HOST may be `*.example.com`: any name
    below. A host may lie at public addresses alone, and in `networks`, such as "10.1.0.0/16".
    """

    folders: tuple[Folder, ...] = ()
    origins: tuple[WebOrigin, ...] = ()
    networks: tuple[IPvAnyNetwork, ...] = ()
    max_bytes: PositiveInt = 2**30
    timeout_s: PositiveFloat = 60.0  # for a whole download
    idle_timeout_s: PositiveFloat = 10.0  # without a byte
    redirects: NonNegativeInt = 3


Address = Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")]


class LogsConfig(Branch):
    """Lines of JSON on stderr; `level` is that of videotag's own, other libraries' begin at warnings."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class MetricsConfig(Branch):
    """Where Prometheus asks, at /metrics, without a password: an address that only it reaches. None: nowhere."""

    listen: Address | None = "127.0.0.1:9464"
    timeout_s: PositiveFloat = 10.0  # for one answer, a slow reader's included
    connections: PositiveInt = 16  # at once; more are closed


class TracesConfig(Branch):
    """`endpoint` is an OpenTelemetry collector's for gRPC, as "http://localhost:4317"; https:// for TLS. None: none.

    Headers that it asks for are read from the variable OTEL_EXPORTER_OTLP_HEADERS.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # somebody may have written a password into it

    endpoint: Annotated[str, Field(pattern=r"^https?://[^/@\s]+$")] | None = None
    share: Share = 0.01  # of the traces that begin here; those of a caller are kept where the caller keeps them
    timeout_s: PositiveFloat = 5.0


class HealthConfig(Branch):
    """From when on what the service cannot work without is away, and back again."""

    check_every_s: PositiveFloat = 5.0
    check_timeout_s: PositiveFloat = 3.0
    away_after_s: PositiveFloat = 15.0  # of failing checks alone
    back_after_s: PositiveFloat = 10.0  # of checks that all went well


class ObserveConfig(Branch):
    """What a service tells of itself (service/observe/)."""

    logs: LogsConfig = LogsConfig()
    metrics: MetricsConfig = MetricsConfig()
    traces: TracesConfig = TracesConfig()
    health: HealthConfig = HealthConfig()


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


ClientName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]


Role = Literal["tag", "label", "edit", "admin"]


Rate = Annotated[float, Field(ge=1e-4, le=1e12)]


class QuotasConfig(Branch):
    """How much one client may ask for; None: any amount. What was not used in `burst_s` seconds may be used at once.

    `media_s_per_s` is seconds of media a second: 60 is an hour of video a minute.
    """

    calls_per_s: Rate | None = None
    bytes_per_s: Rate | None = None
    media_s_per_s: Rate | None = None
    burst_s: Annotated[float, Field(gt=0, le=86_400)] = 10.0


class ClientConfig(Branch):
    """A client of the service, in the file of clients: how it is recognised, what it may do, and how often.

    Of tokens the file has hashes alone; two of them while one token replaces another. `certificates` are names that
    certificates of clients have. service/roles.py says what each role may.
    """

    tokens_sha256: tuple[Digest, ...] = ()
    certificates: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    quotas: QuotasConfig = QuotasConfig()


class ClientsConfig(Branch):
    """The file of clients, by name."""

    clients: Annotated[dict[ClientName, ClientConfig], Field(min_length=1)]

    @model_validator(mode="after")
    def _tells_them_apart(self) -> Self:
        for each in ("tokens_sha256", "certificates"):
            shown = [known for client in self.clients.values() for known in getattr(client, each)]
            if len(set(shown)) < len(shown):
                raise ValueError(f"two of the {each} are the same, each may be one client's")
        for name, client in self.clients.items():
            if not client.tokens_sha256 and not client.certificates:
                raise ValueError(f"{name} has neither tokens_sha256 nor certificates, so nobody can be it")
        return self


class TlsConfig(Branch):
    """PEM files, read again when they change. With `client_ca` a client has to show a certificate that it signed."""

    certificate: Path  # the server's, and those between it and its authority
    key: Path
    client_ca: Path | None = None


class ListenConfig(Branch):
    """HOST:PORT, where [::1]:50051 is an IPv6 one. Beyond this machine it takes `clients` or TLS with `client_ca`.

    gRPC reads the first message of a call before anybody can say who sent it. So callers without a token may make it
    hold message_bytes for each call of each connection; with `client_ca` they get no connection.
    """

    address: Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")] = "127.0.0.1:50051"
    tls: TlsConfig | None = None
    clients: Path | None = None  # read again when it changes
    message_bytes: PositiveInt = 32 * 2**20  # the largest request
    header_bytes: Annotated[int, Field(ge=1024)] = 8 * 2**10  # of a call
    # Calls at a time. A client that has all of them is refused one now and then (UNAVAILABLE): it counts those that
    # ended before the server does. RFC 9113 asks for 100 at least.
    streams_per_connection: PositiveInt = 100
    connections: PositiveInt = 256


class AdmissionConfig(Branch):
    """How much is worked on at once, and how much may wait for that; bytes are those of content in requests."""

    videos: PositiveInt = 8
    content_bytes: PositiveInt = 256 * 2**20
    waiting: NonNegativeInt = 64
    waiting_bytes: NonNegativeInt = 512 * 2**20


class ServiceConfig(Branch):
    listen: ListenConfig = ListenConfig()
    admission: AdmissionConfig = AdmissionConfig()
    bundles: Path | None = None  # the folder whose bundles may be activated
    follow_s: PositiveFloat = 0.5  # between looks for what other processes wrote into the database
    drain_s: PositiveFloat = 30.0  # for the calls that are running when it is told to stop
    shadow_waiting: PositiveInt = 32  # videos for the shadow bundle; more are left out and counted
    database: DatabaseConfig = DatabaseConfig()
    sources: SourcesConfig = SourcesConfig()
    observe: ObserveConfig = ObserveConfig()


def read_service_config(path: Path | None) -> ServiceConfig:
    """Those of a file, or the defaults; InvalidConfigError names the file and the key that is wrong."""
    if path is None:
        return ServiceConfig()
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidConfigError(f"{path} cannot be read: {error}", "it is TOML, in UTF-8") from error
    try:
        return ServiceConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidConfigError(f"{path}: {key}: {first['msg']}") from error


def with_address(config: ListenConfig, address: str) -> ListenConfig:
    """The same at another address; InvalidConfigError for what is none."""
    try:
        return ListenConfig.model_validate({**config.model_dump(), "address": address})
    except ValidationError as error:
        raise InvalidConfigError(f"{address!r} is no HOST:PORT", "as 127.0.0.1:50051 or [::1]:50051") from error
