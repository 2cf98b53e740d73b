"""TLS of the service: the server certificate, the authority of client certificates, and the expiry of certificates."""

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn, Protocol

import grpc
from cryptography import x509

from tagging.errors import InvalidConfigError
from tagging.service.config import TlsConfig
from tagging.service.reloading import Reloading

EXPIRES_SOON = timedelta(days=14)  # automatic renewal has been tried by then, and failed
WARN_EVERY = timedelta(days=1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    configuration: grpc.ServerCertificateConfiguration
    ends: datetime | None  # earliest expiry of the certificates in the file; None if they cannot be parsed


class Certificate(Protocol):
    """A certificate in a file."""

    @property
    def path(self) -> Path: ...

    @property
    def ends(self) -> datetime | None:
        """The time from which it, or one of its chain, is refused; None if it cannot be parsed. Thread-safe."""


class ServerCertificate:
    """The certificate of the server, reloaded when its files change: connections opened afterwards get the new one.

    Files that cannot be used, or do not match, raise InvalidConfigError here; later they are logged and change nothing.
    """

    def __init__(self, config: TlsConfig, clock: Callable[[], float] = time.time) -> None:
        paths = [config.certificate, config.key, *([config.client_ca] if config.client_ca else [])]
        self.path = config.certificate
        self._files = Reloading(paths, lambda: _read(config), clock)
        self._requires_client = config.client_ca is not None

    @property
    def ends(self) -> datetime | None:
        """The time from which clients refuse the certificate or one of its chain. Thread-safe."""
        return self._files.current().ends

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that follow the files."""
        first = self._files.current()
        return grpc.dynamic_ssl_server_credentials(
            first.configuration,
            _Update(self._files, first),  # type: ignore[arg-type]  # the stubs do not know that it may return None
            require_client_authentication=self._requires_client,
        )


class TritonClientCertificate:
    """The certificate that this process shows to Triton: its expiry, read again when its file changes.

    A connection that lasts keeps the former certificate, but the next one takes the file's, so the file counts. Raises
    InvalidConfigError for a file that cannot be read.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._file = Reloading([path], lambda: _expiry_of(path), clock)

    @property
    def ends(self) -> datetime | None:
        """The time from which Triton refuses the certificate or one of its chain. Thread-safe."""
        return self._file.current()


async def warn_before_expiry(
    certificate: Certificate,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> NoReturn:
    """Log a warning every day while the certificate is about to expire or has expired. Runs until cancelled."""
    while True:
        ends = certificate.ends
        if ends is not None and ends - clock() < EXPIRES_SOON:
            days = round((ends - clock()) / timedelta(days=1), 1)
            fields = {"file": str(certificate.path), "ends": ends.isoformat(), "days_left": days}
            logger.warning("the certificate expires soon", extra=fields)
        await sleep(WARN_EVERY.total_seconds())


class _Update:
    """Callback of gRPC for each handshake, on its own threads: returns a new configuration, or None if unchanged."""

    def __init__(self, files: Reloading[_Loaded], current: _Loaded) -> None:
        self._files = files
        self._current = current
        self._lock = threading.Lock()

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        with self._lock:
            newest = self._files.current()
            if newest is self._current:
                return None
            self._current = newest
            return newest.configuration


def _read(config: TlsConfig) -> _Loaded:
    try:
        before = _contents(config)
        _test(config)
        if _contents(config) != before:  # the files that were tested are not the bytes that were read
            raise InvalidConfigError(f"{config.certificate}, its key or client_ca changed while it was read")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else error
        files = ", ".join(str(path) for path in (config.certificate, config.key, config.client_ca) if path)
        raise InvalidConfigError(
            f"{files} are not a certificate and its key: {reason}", "expected PEM, and a key without a password"
        ) from error
    certificate, key, client_ca = before
    return _Loaded(grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca), _expiry(certificate))


def _expiry(certificates: bytes) -> datetime | None:
    try:
        return min(certificate.not_valid_after_utc for certificate in x509.load_pem_x509_certificates(certificates))
    except ValueError:  # this parser is stricter than OpenSSL, which accepted them
        return None


def _expiry_of(path: Path) -> datetime | None:
    try:
        return _expiry(path.read_bytes())
    except OSError as error:
        raise InvalidConfigError(f"{path} cannot be read: {error.strerror}", "expected a certificate, PEM") from error


def _contents(config: TlsConfig) -> tuple[bytes, bytes, bytes | None]:
    client_ca = config.client_ca.read_bytes() if config.client_ca else None
    return config.certificate.read_bytes(), config.key.read_bytes(), client_ca


def _test(config: TlsConfig) -> None:
    """Load the files with OpenSSL, which reports errors: gRPC accepts any bytes, and then fails every handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(
        config.certificate, config.key, password=lambda: ""
    )  # otherwise OpenSSL prompts on the terminal
    if config.client_ca:
        context.load_verify_locations(config.client_ca)
