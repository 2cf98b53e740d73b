"""Configuration of the service: a TOML file, read once at the start."""

import tomllib
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from tagging.config.base import Branch, Share, first_fault
from tagging.config.encoders import RuntimeName
from tagging.errors import InvalidConfigError
from tagging.features.triton.endpoint import TritonTls
from tagging.store.database.config import DatabaseConfig

Settings = TypeVar("Settings", bound=Branch)

Folder = Annotated[str, Field(pattern=r"^(/[^/]+)+$")]


WebOrigin = Annotated[str, Field(pattern=r"^https?://((\*\.)?[a-z0-9._-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?$")]


class SourcesConfig(Branch):
    """Allow-list of media sources; by default only inline content is accepted.

    `folders` are absolute. `origins` are SCHEME://HOST[:PORT], in lower case; HOST may be `*.example.com`: any name
    below. Hosts must have public addresses, or addresses in `networks`, such as "10.1.0.0/16".
    """

    folders: tuple[Folder, ...] = ()
    origins: tuple[WebOrigin, ...] = ()
    networks: tuple[IPvAnyNetwork, ...] = ()
    max_bytes: PositiveInt = 2**30
    timeout_s: PositiveFloat = 60.0  # for a whole download
    idle_timeout_s: PositiveFloat = 10.0  # without a byte
    redirects: NonNegativeInt = 3


LAST_PORT = 65535


def _require_port(address: str) -> str:
    port = int(address.rpartition(":")[2])
    if port > LAST_PORT:
        raise ValueError(f"port {port}, expected at most {LAST_PORT}")
    return address


def _require_url_port(url: str) -> str:
    try:
        urlsplit(url).port  # noqa: B018 (the property checks)
    except ValueError as error:
        raise ValueError(f"a port that is no number up to {LAST_PORT}") from error
    return url


HOST_PORT = r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}"
Address = Annotated[str, Field(pattern=rf"^{HOST_PORT}$"), AfterValidator(_require_port)]
SOCKET = "unix:"


def _require_socket_or_port(address: str) -> str:
    return address if address.startswith(SOCKET) else _require_port(address)


ListenAddress = Annotated[
    str, Field(pattern=rf"^({HOST_PORT}|{SOCKET}/[^\s]+)$"), AfterValidator(_require_socket_or_port)
]


TritonUrl = Annotated[str, Field(pattern=rf"^grpcs?://{HOST_PORT}$"), AfterValidator(_require_port)]


class LogsConfig(Branch):
    """JSON lines on stderr; `level` is for videotag's own loggers, other libraries log from warnings on."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class MetricsConfig(Branch):
    """Address of /metrics, which needs no password: only Prometheus should reach it. None: no endpoint."""

    listen: Address | None = "127.0.0.1:9464"
    timeout_s: PositiveFloat = 10.0  # for one response, slow readers included
    connections: PositiveInt = 16  # at once; more are closed


class TracesConfig(Branch):
    """`endpoint` is the gRPC endpoint of an OpenTelemetry collector, as "http://localhost:4317"; https:// for TLS.

    None: no traces. Headers that the collector needs are read from the variable OTEL_EXPORTER_OTLP_HEADERS.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # the input may contain a password

    endpoint: Annotated[str, Field(pattern=r"^https?://[^/@\s]+$"), AfterValidator(_require_url_port)] | None = None
    share: Share = 0.01  # of traces that begin here; traces of callers keep the caller's decision
    timeout_s: PositiveFloat = 5.0


class HealthConfig(Branch):
    """Health checks of dependencies: how often, and how long they must fail or succeed to change the health."""

    check_every_s: PositiveFloat = 5.0
    check_timeout_s: PositiveFloat = 3.0
    away_after_s: PositiveFloat = 15.0  # of failed checks only
    back_after_s: PositiveFloat = 10.0  # of successful checks only


class ObserveConfig(Branch):
    """Logs, metrics, traces and health (service/observe/)."""

    logs: LogsConfig = LogsConfig()
    metrics: MetricsConfig = MetricsConfig()
    traces: TracesConfig = TracesConfig()
    health: HealthConfig = HealthConfig()


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


ClientName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]


Role = Literal["tag", "label", "edit", "admin", "recommend"]


Rate = Annotated[float, Field(ge=1e-4, le=1e12)]


class QuotasConfig(Branch):
    """Rate limits of a client; None: no limit. The unused amount of up to `burst_s` seconds may be used at once.

    `media_s_per_s` is seconds of media per second: 60 is an hour of video per minute.
    """

    calls_per_s: Rate | None = None
    bytes_per_s: Rate | None = None
    media_s_per_s: Rate | None = None
    burst_s: Annotated[float, Field(gt=0, le=86_400)] = 10.0


class ClientConfig(Branch):
    """A client of the service, in the clients file: its credentials, roles and quotas.

    The file contains only the hashes of tokens; two of them while a token is rotated. `certificates` are names in
    clients' certificates. clients/roles.py has the calls of each role.
    """

    tokens_sha256: tuple[Digest, ...] = ()
    certificates: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    quotas: QuotasConfig = QuotasConfig()


class ClientsConfig(Branch):
    """The clients file: clients by name."""

    clients: Annotated[dict[ClientName, ClientConfig], Field(min_length=1)]

    @model_validator(mode="after")
    def _are_distinct(self) -> Self:
        for field in ("tokens_sha256", "certificates"):
            values = [value for client in self.clients.values() for value in getattr(client, field)]
            if len(set(values)) < len(values):
                raise ValueError(f"{field} contains a value twice; each may belong to one client only")
        for name, client in self.clients.items():
            if not client.tokens_sha256 and not client.certificates:
                raise ValueError(f"{name} has neither tokens_sha256 nor certificates, so it can never authenticate")
        return self


class TlsConfig(Branch):
    """PEM files, read again when they change. With `client_ca`, clients need a certificate signed by it."""

    certificate: Path  # of the server, followed by intermediate certificates
    key: Path
    client_ca: Path | None = None


class ListenConfig(Branch):
    """Address, authentication and limits. `address` is HOST:PORT; for IPv6, [::1]:50051; or unix:/path/of/a/socket.

    An address beyond loopback needs `clients` or TLS with `client_ca`. gRPC reads the first message of a call before
    the caller can be authenticated. So callers without a token can make it hold message_bytes for each call of each
    connection; with `client_ca` they get no connection.
    """

    address: ListenAddress = "127.0.0.1:50051"
    tls: TlsConfig | None = None
    clients: Path | None = None  # read again when it changes
    message_bytes: PositiveInt = 32 * 2**20  # the largest request
    header_bytes: Annotated[int, Field(ge=1024)] = 8 * 2**10  # metadata of a call
    # Concurrent calls, enough for the bursts of a client: beyond them gRPC refuses calls as UNAVAILABLE, also those
    # that wait in the client, since it counts a call as ended before the server does. Below them, admission refuses
    # what is too much, with a retry delay. gRPC could count as clients do (grpc.http.overload_protection=0), but then
    # one connection that opens and resets thousands of calls at once keeps the others waiting.
    streams_per_connection: PositiveInt = 1000
    connections: PositiveInt = 256


Listen = TypeVar("Listen", bound=ListenConfig)


class TextAdmissionConfig(Branch):
    """Limits on the videos without media in progress and in the queue."""

    videos: PositiveInt = 64  # two batches of 32
    waiting: NonNegativeInt = 64


class MediaAdmissionConfig(Branch):
    """Limits on the videos with media in progress and in the queue; bytes are those of content in requests."""

    videos: PositiveInt = 16  # decoded media of a video take about 32 MB at worst
    content_bytes: PositiveInt = 256 * 2**20
    waiting: NonNegativeInt = 64
    waiting_bytes: NonNegativeInt = 512 * 2**20


class AdmissionConfig(Branch):
    """Limits on the videos to tag, and to label. A clip takes as long as a hundred titles, so neither has the other's
    places.
    """

    texts: TextAdmissionConfig = TextAdmissionConfig()
    media: MediaAdmissionConfig = MediaAdmissionConfig()


class ExplanationsConfig(MediaAdmissionConfig):
    """Limits on the videos to explain: each passes through the models many times."""

    videos: PositiveInt = 1
    content_bytes: PositiveInt = 64 * 2**20
    waiting: NonNegativeInt = 8
    waiting_bytes: NonNegativeInt = 128 * 2**20


class ServiceConfig(Branch):
    """The whole configuration."""

    listen: ListenConfig = ListenConfig()
    admission: AdmissionConfig = AdmissionConfig()
    explanations: ExplanationsConfig = ExplanationsConfig()
    bundles: Path | None = None  # the folder whose bundles may be activated
    follow_s: PositiveFloat = 0.5  # interval of reading what other processes wrote to the database
    drain_s: PositiveFloat = 30.0  # for running calls at shutdown
    shadow_waiting: PositiveInt = 32  # queue of the shadow bundle; further videos are dropped and counted
    runtime: RuntimeName | None = None  # of the encoders' networks in this process; None: each bundle's
    # grpc://HOST:PORT of a Triton Inference Server that runs the bundle's networks, or grpcs:// with `triton_tls`;
    # None: this process runs them.
    triton: TritonUrl | None = None
    triton_tls: TritonTls | None = None
    database: DatabaseConfig = DatabaseConfig()
    sources: SourcesConfig = SourcesConfig()
    observe: ObserveConfig = ObserveConfig()


class CallsConfig(Branch):
    """Limits on the calls in progress and in the queue of a service of one model; bytes are those of requests."""

    calls: PositiveInt = 8
    waiting: NonNegativeInt = 256
    waiting_bytes: NonNegativeInt = 64 * 2**20


class ModelServiceConfig(Branch):
    """Configuration of any service of one model (service/model_server.py), as in the tagging service's.

    Each service has default ports of its own, on loopback, so that all run on one machine.
    """

    port: ClassVar[int]
    metrics_port: ClassVar[int]

    listen: ListenConfig = ListenConfig()
    admission: CallsConfig = CallsConfig()
    drain_s: PositiveFloat = 30.0
    database: DatabaseConfig = DatabaseConfig()
    observe: ObserveConfig = ObserveConfig()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_ports(cls, tree: object) -> object:
        metrics = {"listen": f"127.0.0.1:{cls.metrics_port}"}
        return _filled(tree, {"listen": {"address": f"127.0.0.1:{cls.port}"}, "observe": {"metrics": metrics}})


def _filled(tree: object, defaults: object) -> object:
    """Return tables with the defaults that they lack; anything else is left to the validation."""
    if not isinstance(tree, dict) or not isinstance(defaults, dict):
        return tree
    return defaults | {key: _filled(value, defaults.get(key)) for key, value in tree.items()}


def read_service_config(path: Path | None) -> ServiceConfig:
    """Read a file; None: the defaults. Raises InvalidConfigError, which names the file and the invalid key."""
    return read_settings(path, ServiceConfig)


def read_settings(path: Path | None, kind: type[Settings]) -> Settings:
    """Read the settings of a service as `read_service_config` does."""
    if path is None:
        return kind()
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidConfigError(f"{path} cannot be read: {error.strerror}", "name a file that exists") from error
    except ValueError as error:
        raise InvalidConfigError(f"{path} cannot be read: {error}", "expected TOML in UTF-8") from error
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise InvalidConfigError(f"{path}: {first_fault(error)}") from error


def with_address(config: Listen, address: str) -> Listen:
    """Return the configuration with another address. Raises InvalidConfigError for an invalid one."""
    try:
        return config.model_validate({**config.model_dump(), "address": address})
    except ValidationError as error:
        raise InvalidConfigError(
            f"{address!r} is not HOST:PORT with a port up to {LAST_PORT}, nor unix:/PATH",
            "use 127.0.0.1:50051, [::1]:50051 or unix:/run/videotag.sock",
        ) from error
