"""TLS of the service: its certificate, and which authority's clients it takes."""

import ssl
import threading
import time
from collections.abc import Callable

import grpc

from tagging.config import TlsConfig
from tagging.errors import InvalidConfigError
from tagging.service.watched import Watched


def server_credentials(config: TlsConfig, clock: Callable[[], float] = time.monotonic) -> grpc.ServerCredentials:
    """Credentials that follow their files: connections that are opened after a change get the new certificate.

    Files that cannot be used, or not together, raise InvalidConfigError now, and later change nothing.
    """
    paths = [config.certificate, config.key, *([config.client_ca] if config.client_ca else [])]
    watched = Watched(paths, lambda: _read(config), clock)
    first = watched.current()
    return grpc.dynamic_ssl_server_credentials(
        first,
        _Newer(watched, first),  # type: ignore[arg-type]  # the stubs do not know that it may return None
        require_client_authentication=config.client_ca is not None,
    )


class _Newer:
    """What gRPC asks at each handshake, on threads of its own: another configuration, or None for the same."""

    def __init__(
        self, watched: Watched[grpc.ServerCertificateConfiguration], given: grpc.ServerCertificateConfiguration
    ) -> None:
        self._watched = watched
        self._given = given
        self._lock = threading.Lock()

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        with self._lock:
            newest = self._watched.current()
            if newest is self._given:
                return None
            self._given = newest
            return newest


def _read(config: TlsConfig) -> grpc.ServerCertificateConfiguration:
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
    return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)


def _contents(config: TlsConfig) -> tuple[bytes, bytes, bytes | None]:
    client_ca = config.client_ca.read_bytes() if config.client_ca else None
    return config.certificate.read_bytes(), config.key.read_bytes(), client_ca


def _try(config: TlsConfig) -> None:
    """gRPC takes any bytes, and then no connection; OpenSSL says what is wrong with them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.certificate, config.key, password=lambda: "")  # or it would ask a terminal
    if config.client_ca:
        context.load_verify_locations(config.client_ca)
