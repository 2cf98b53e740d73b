"""TLS of the service: its certificate, when that ends, and which authority's clients it takes."""

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import grpc
from cryptography import x509

from tagging.errors import InvalidConfigError
from tagging.service.config import TlsConfig
from tagging.service.reloading import Reloading

SOON = timedelta(days=14)  # before its end whoever renews a certificate has tried, and failed
TELL_EVERY = timedelta(days=1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Served:
    configuration: grpc.ServerCertificateConfiguration
    ends: datetime | None  # of the first that ends of the file's certificates; None for a form that nobody could read


class ServerCertificate:
    """It follows its files: connections that are opened after a change get the new one.

    Files that cannot be used, or not together, raise InvalidConfigError now, and later change nothing.
    """

    def __init__(self, config: TlsConfig, clock: Callable[[], float] = time.time) -> None:
        paths = [config.certificate, config.key, *([config.client_ca] if config.client_ca else [])]
        self._watched = Reloading(paths, lambda: _read(config), clock)
        self._asks_clients = config.client_ca is not None

    @property
    def ends(self) -> datetime | None:
        """From when on clients refuse it, also for an authority's certificate beside it. Any thread may ask."""
        return self._watched.current().ends

    def credentials(self) -> grpc.ServerCredentials:
        first = self._watched.current()
        return grpc.dynamic_ssl_server_credentials(
            first.configuration,
            _Newer(self._watched, first),  # type: ignore[arg-type]  # the stubs do not know that it may return None
            require_client_authentication=self._asks_clients,
        )


async def warn_before_expiry(
    certificate: ServerCertificate,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> NoReturn:
    """A task for as long as the service lives: the log says every day that the certificate ends soon, or has ended."""
    while True:
        ends = certificate.ends
        if ends is not None and ends - clock() < SOON:
            days = round((ends - clock()) / timedelta(days=1), 1)
            logger.warning("the certificate ends soon", extra={"ends": ends.isoformat(), "days_left": days})
        await sleep(TELL_EVERY.total_seconds())


class _Newer:
    """What gRPC asks at each handshake, on threads of its own: another configuration, or None for the same."""

    def __init__(self, watched: Reloading[_Served], given: _Served) -> None:
        self._watched = watched
        self._given = given
        self._lock = threading.Lock()

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        with self._lock:
            newest = self._watched.current()
            if newest is self._given:
                return None
            self._given = newest
            return newest.configuration


def _read(config: TlsConfig) -> _Served:
    try:
        before = _contents(config)
        _try(config)
        if _contents(config) != before:  # what was tried is not what was read
            raise InvalidConfigError(f"{config.certificate} and what belongs to it is being written")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else error
        files = ", ".join(str(path) for path in (config.certificate, config.key, config.client_ca) if path)
        raise InvalidConfigError(
            f"{files} are no certificate and its key: {why}", "PEM, and a key without a password"
        ) from error
    certificate, key, client_ca = before
    return _Served(grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca), _end(certificate))


def _end(certificates: bytes) -> datetime | None:
    try:
        return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(certificates))
    except ValueError:  # it is stricter than OpenSSL, which took them
        return None


def _contents(config: TlsConfig) -> tuple[bytes, bytes, bytes | None]:
    client_ca = config.client_ca.read_bytes() if config.client_ca else None
    return config.certificate.read_bytes(), config.key.read_bytes(), client_ca


def _try(config: TlsConfig) -> None:
    """gRPC takes any bytes, and then no connection; OpenSSL says what is wrong with them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.certificate, config.key, password=lambda: "")  # or it would ask a terminal
    if config.client_ca:
        context.load_verify_locations(config.client_ca)
