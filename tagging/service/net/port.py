"""Where the service listens, and that it is not open to the world there."""

import ipaddress
import logging
from typing import Any

import grpc

from tagging.errors import InvalidConfigError
from tagging.service.clients.clients import Clients, ListedClients, OpenClients
from tagging.service.config import ListenConfig
from tagging.service.net.grpc_log import filter_client_data
from tagging.service.net.tls import ServerCertificate

logger = logging.getLogger(__name__)


def load_clients(config: ListenConfig) -> Clients:
    """Those that may call there.

    Raises InvalidConfigError where nobody would be asked who calls, other than from this machine, and if the file of
    clients cannot be used.
    """
    if config.clients is not None:
        if not _is_local(config.address) and config.tls is None:
            logger.warning("tokens cross the network in the clear", extra={"address": config.address})
        return ListedClients(config.clients)
    if not _is_local(config.address) and (config.tls is None or config.tls.client_ca is None):
        raise InvalidConfigError(
            f"{config.address} can be reached from other machines, and nobody would be asked who calls",
            "give a file of clients, or TLS with a client_ca, or listen at 127.0.0.1",
        )
    return OpenClients()


def server_options(config: ListenConfig) -> list[tuple[str, Any]]:
    """Of a grpc.aio server: limits on what a client can make it hold."""
    calls = config.connections * config.streams_per_connection
    return [
        ("grpc.max_receive_message_length", config.message_bytes),
        ("grpc.max_metadata_size", config.header_bytes),
        ("grpc.absolute_max_metadata_size", config.header_bytes),  # above the other one, calls are refused by chance
        ("grpc.max_concurrent_streams", config.streams_per_connection),
        ("grpc.max_allowed_incoming_connections", config.connections),
        # Of more than 1,000 calls that nobody has looked at yet gRPC cancels some by chance, which tells nobody to try
        # again. All that may come may wait, with little but headers; who has to go away, `admission.py` says.
        ("grpc.server.max_pending_requests", calls),
        ("grpc.server.max_pending_requests_hard_limit", calls),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", 300_000),
        ("grpc.keepalive_time_ms", 60_000),  # a client that is gone without a word is noticed
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.so_reuseport", 0),  # or two services would share a port, each with half of the calls
    ]


def open_port(server: grpc.aio.Server, config: ListenConfig, certificate: ServerCertificate | None) -> int:
    """Lets the server listen, before it is started; the port. certificate: None: without TLS

    Raises InvalidConfigError.
    """
    filter_client_data()
    try:
        if certificate is None:
            return server.add_insecure_port(config.address)
        return server.add_secure_port(config.address, certificate.credentials())
    except RuntimeError as error:
        raise InvalidConfigError(f"cannot listen at {config.address}", "another process may") from error


def _is_local(address: str) -> bool:
    """Whether only this machine reaches the address. A name other than localhost may come to mean anything."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
