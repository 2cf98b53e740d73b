"""The service config that clients load: calls that a service refused are repeated, when it asks for that."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.errors import BackendUnavailableError, InvalidRequestError, OverloadedError
from tagging.service.clients.roles import SERVICE
from tagging.service.config import ListenConfig
from tagging.service.interceptors.errors import PUSHBACK, ErrorInterceptor
from tagging.service.net.port import server_options

pytestmark = pytest.mark.anyio

SERVICE_CONFIG = files("videotag.v1").joinpath("service_config.json").read_text(encoding="utf-8")
Tag = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def connected(tag: Tag, service_config: str | None) -> AsyncIterator[Any]:
    """Serve TagVideo, and yield a stub of one connection."""

    async def answer(request: pb.TagVideoRequest, _: Any) -> pb.TagVideoResponse:
        await tag(request.video_id)
        return pb.TagVideoResponse(video_id=request.video_id)

    server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=server_options(ListenConfig()))
    handler = grpc.unary_unary_rpc_method_handler(
        answer, pb.TagVideoRequest.FromString, pb.TagVideoResponse.SerializeToString
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"TagVideo": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    options: list[tuple[str, Any]] = [("grpc.use_local_subchannel_pool", 1)]
    if service_config is not None:
        options.append(("grpc.service_config", service_config))
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            yield rpc.TaggingServiceStub(channel)
    finally:
        await server.stop(None)


async def code_of(stub: Any, video_id: str) -> StatusCode:
    try:
        await stub.TagVideo(pb.TagVideoRequest(video_id=video_id), timeout=60)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return StatusCode.OK


@pytest.mark.parametrize(("service_config", "code"), [(None, StatusCode.UNAVAILABLE), (SERVICE_CONFIG, StatusCode.OK)])
async def test_a_call_is_repeated_while_the_service_is_away_by_clients_with_the_service_config(
    service_config: str | None, code: StatusCode
) -> None:
    calls: Counter[str] = Counter()

    async def tag(video_id: str) -> None:
        calls[video_id] += 1
        if calls[video_id] == 1:
            raise BackendUnavailableError("the database did not answer in time")

    async with connected(tag, service_config) as stub:
        codes = await asyncio.gather(*(code_of(stub, str(number)) for number in range(30)))
    assert set(codes) == {code}


async def test_an_overloaded_call_is_repeated_after_the_delay_that_the_service_asks_for() -> None:
    delays_s, call_times = [0.05, 0.4], []

    async def tag(_: str) -> None:
        call_times.append(asyncio.get_running_loop().time())
        if delays_s:
            raise OverloadedError("64 wait", "", delays_s.pop())

    async with connected(tag, SERVICE_CONFIG) as stub:
        assert await code_of(stub, "v") == StatusCode.OK
    assert len(call_times) == 3
    assert call_times[1] - call_times[0] >= 0.4  # the policy's own delay is at most 0.24 s


async def test_a_call_that_waiting_does_not_help_is_made_once() -> None:
    calls: list[str] = []

    async def tag(video_id: str) -> None:
        calls.append(video_id)
        raise InvalidRequestError("no title")

    async with connected(tag, SERVICE_CONFIG) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.TagVideo(pb.TagVideoRequest(video_id="v"))
    assert calls == ["v"]
    metadata = raised.value.trailing_metadata()
    assert metadata is not None
    assert PUSHBACK not in metadata
