"""Listening port of the service: gRPC server options, TLS, and the check that remote clients must authenticate."""

import ipaddress
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc

from tagging.errors import InvalidConfigError
from tagging.service.clients.clients import Clients, ListedClients, OpenClients
from tagging.service.config import SOCKET, ListenConfig
from tagging.service.net.grpc_log import filter_client_data
from tagging.service.net.tls import ServerCertificate

logger = logging.getLogger(__name__)

PING_INTERVAL_S = 5.0  # the least time between pings of a client; a client that pings oftener is disconnected


def load_clients(config: ListenConfig) -> Clients:
    """Return the clients that may call.

    Raises InvalidConfigError if remote clients could connect without authentication, and if the clients file cannot be
    used.
    """
    if config.clients is not None:
        if not is_local(config.address) and config.tls is None:
            logger.warning("tokens are sent without encryption", extra={"address": config.address})
        return ListedClients(config.clients)
    if not is_local(config.address) and (config.tls is None or config.tls.client_ca is None):
        raise InvalidConfigError(
            f"{config.address} accepts remote connections, but client authentication is not configured",
            "configure listen.clients, or listen.tls with client_ca, or listen on 127.0.0.1",
        )
    return OpenClients()


def server_options(config: ListenConfig) -> list[tuple[str, Any]]:
    """Return the options of a grpc.aio server, which limit the memory and connections that a client can occupy."""
    calls = config.connections * config.streams_per_connection
    return [
        ("grpc.max_receive_message_length", config.message_bytes),
        ("grpc.max_metadata_size", config.header_bytes),
        ("grpc.absolute_max_metadata_size", config.header_bytes),  # gRPC refuses calls at random between the two
        ("grpc.max_concurrent_streams", config.streams_per_connection),
        ("grpc.max_allowed_incoming_connections", config.connections),
        # Above 1,000 calls that no handler has taken yet, gRPC cancels some at random, and CANCELLED does not make
        # clients retry. So all calls that the other limits allow may wait here, with little more than their headers;
        # `admission.py` decides which ones are refused.
        ("grpc.server.max_pending_requests", calls),
        ("grpc.server.max_pending_requests_hard_limit", calls),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", 300_000),
        ("grpc.keepalive_time_ms", 60_000),  # detects clients that vanished without closing their connection
        ("grpc.keepalive_timeout_ms", 20_000),
        # Clients behind NATs and load balancers ping about every 10 s, also without calls. gRPC's default allows one
        # ping in 5 minutes and then ends the connection with its streams ("Too many pings").
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", round(1000 * PING_INTERVAL_S)),
        ("grpc.so_reuseport", 0),  # otherwise two services could share a port, each with half of the calls
    ]


def open_port(server: grpc.aio.Server, config: ListenConfig, certificate: ServerCertificate | None) -> int:
    """Bind the server to its address, before it is started, and return the port.

    certificate: None: without TLS
    Raises InvalidConfigError.
    """
    filter_client_data()
    try:
        if certificate is None:
            return server.add_insecure_port(config.address)
        return server.add_secure_port(config.address, certificate.credentials())
    except RuntimeError as error:
        raise InvalidConfigError(f"cannot listen on {config.address}", "another process may use the port") from error


def remove_socket(config: ListenConfig) -> None:
    """Remove the socket's file of a server that will not be stopped, as gRPC does of one that is. Connections stay."""
    if config.address.startswith(SOCKET):
        with suppress(OSError):
            Path(config.address.removeprefix(SOCKET)).unlink()


def is_local(address: str) -> bool:
    """Return whether only this machine can connect. A host name other than localhost may resolve to anything."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost" or address.startswith(SOCKET):
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
