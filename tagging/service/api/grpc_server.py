"""gRPC server: listens with a servicer, health and reflection registered, before the service is warm."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2_grpc

from tagging.service.config import ListenConfig
from tagging.service.interceptors.auth import HEALTH
from tagging.service.net.generic_handlers import generic_only
from tagging.service.net.port import open_port, remove_socket, server_options
from tagging.service.net.reflection import add_reflection
from tagging.service.net.tls import ServerCertificate
from tagging.service.observe.health import Health
from tagging.service.shutdown import ProcessEnds


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """A server that listens."""

    server: grpc.aio.Server
    port: int


@asynccontextmanager
async def listening(
    config: ListenConfig,
    certificate: ServerCertificate | None,
    interceptors: Sequence[grpc.aio.ServerInterceptor],
    health: Health,
    service: str,
    add: Callable[[grpc.aio.Server], None],
) -> AsyncIterator[Listening]:
    """Listen while the context lasts, or until the process ends if the context gets ProcessEnds; health is NOT_SERVING.

    service: full name of the service whose servicer `add` adds to the server
    certificate: None: without TLS
    Raises InvalidConfigError for an address that cannot be used.
    """
    server = grpc.aio.server(interceptors=interceptors, options=server_options(config))
    handlers = generic_only(server)
    health_pb2_grpc.add_HealthServicer_to_server(health, handlers)
    add(handlers)
    add_reflection(handlers, (service, HEALTH))
    port = open_port(server, config, certificate)
    await server.start()
    try:
        yield Listening(server, port)
    except ProcessEnds as ending:
        ending.servers.append(server)
        remove_socket(config)
        raise
    except BaseException:
        await server.stop(None)
        raise
    await server.stop(None)
