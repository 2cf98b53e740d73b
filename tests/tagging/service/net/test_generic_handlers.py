"""Servicers that are generic handlers of a server only."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.service.api.servicer import Servicer
from tagging.service.net.generic_handlers import generic_only

pytestmark = pytest.mark.anyio


async def tasks_while_listening(add: Callable[[grpc.aio.Server], None]) -> int:
    server = grpc.aio.server()
    add(generic_only(server))
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    for _ in range(10):  # steps of the loop in which the server starts its tasks
        await asyncio.sleep(0)
    tasks = len(asyncio.all_tasks())
    await server.stop(None)
    return tasks


async def test_a_server_waits_for_calls_in_as_many_tasks_however_many_methods_it_has() -> None:
    two = await tasks_while_listening(
        lambda server: health_pb2_grpc.add_HealthServicer_to_server(aio.HealthServicer(), server)
    )
    many = await tasks_while_listening(lambda server: rpc.add_TaggingServiceServicer_to_server(Servicer(), server))
    assert many == two


async def test_the_methods_are_answered() -> None:
    server, health = grpc.aio.server(), aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, generic_only(server))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await health.set("videotag", health_pb2.HealthCheckResponse.SERVING)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="videotag"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await server.stop(None)
