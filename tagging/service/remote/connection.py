"""Connection of a client to the service: address, TLS, token and time limit of a call."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from tagging.errors import InvalidConfigError
from tagging.messages import shown
from tagging.service.config import ListenConfig, with_address
from tagging.service.net.port import is_local

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """A service, and how to call it."""

    address: str  # HOST:PORT, [IPv6]:PORT or unix:/PATH
    token: str | None = None
    tls_ca: Path | None = None  # PEM of the authorities that the server's certificate is checked with; None: no TLS
    timeout_s: float = 120.0  # of a call, its wait for the models included

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata of a call, by which the service knows the client."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)


@contextmanager
def connected(server: Server) -> Iterator[grpc.Channel]:
    """Yield a channel to the service; it connects with the first call.

    Raises InvalidConfigError for an address, token or file of authorities that cannot be used.
    """
    address = with_address(ListenConfig(), server.address).address
    if server.token is not None:
        _check_token(server.token)
        if server.tls_ca is None and not is_local(address):
            logger.warning("the token is sent to %s without encryption", shown(address))
    if server.tls_ca is None:
        channel = grpc.insecure_channel(address)
    else:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(_authorities(server.tls_ca)))
    with channel:
        yield channel


def _check_token(token: str) -> None:
    """gRPC would report characters that a header cannot have as an error of its own."""
    if not token or not token.isascii() or not token.isprintable():
        raise InvalidConfigError("the token is empty or has characters that no token has", "copy it again")


def _authorities(path: Path) -> bytes:
    """The file of authorities. gRPC accepts any bytes, and then reports every handshake as an unreachable service."""
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise InvalidConfigError(f"cannot read {path}: {error.strerror}") from error
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise InvalidConfigError(f"{path} has no certificate", "expected certificates of authorities in PEM")
    return pem
