"""gRPC server: listens with the servicer, health and reflection registered, before the service is warm."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2_grpc
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.service.api.servicer import Servicer
from tagging.service.config import ListenConfig
from tagging.service.interceptors.auth import HEALTH
from tagging.service.net.port import open_port, server_options
from tagging.service.net.reflection import add_reflection
from tagging.service.net.tls import ServerCertificate
from tagging.service.observe.health import Health
from tagging.service.observe.metrics import SERVICE


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """A server that listens, and its servicer."""

    server: grpc.aio.Server
    servicer: Servicer
    port: int


@asynccontextmanager
async def listening(
    config: ListenConfig,
    certificate: ServerCertificate | None,
    interceptors: Sequence[grpc.aio.ServerInterceptor],
    health: Health,
) -> AsyncIterator[Listening]:
    """Listen while the context lasts; calls get UNAVAILABLE, and health is NOT_SERVING, until the servicer is opened.

    certificate: None: without TLS
    Raises InvalidConfigError for an address that cannot be used.
    """
    server, servicer = grpc.aio.server(interceptors=interceptors, options=server_options(config)), Servicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    rpc.add_TaggingServiceServicer_to_server(servicer, server)
    add_reflection(server, (SERVICE, HEALTH))
    port = open_port(server, config, certificate)
    await server.start()
    try:
        yield Listening(server, servicer, port)
    finally:
        await server.stop(None)
