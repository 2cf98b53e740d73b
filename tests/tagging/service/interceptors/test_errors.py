"""ErrorInterceptor: every error of a handler or of a request becomes a status that the proto documents."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import MediaTooBigError, OverloadedError, UnauthenticatedError, VideotagError
from tagging.service.errors.status import UNEXPECTED, status_of
from tagging.service.interceptors.errors import ErrorInterceptor
from tagging.service.interceptors.wrap import Context

Unary = Callable[[pb.TagVideoRequest, Context], Awaitable[pb.TagVideoResponse]]
Stream = Callable[[AsyncIterator[pb.StreamTagVideosRequest], Context], AsyncIterator[pb.StreamTagVideosResponse]]
GOOD = pb.TagVideoRequest(video_id="v1").SerializeToString()
ITEM = pb.StreamTagVideosRequest(request=pb.TagVideoRequest(video_id="v1")).SerializeToString()


async def tag(request: pb.TagVideoRequest, _: Context) -> pb.TagVideoResponse:
    return pb.TagVideoResponse(video_id=request.video_id)


async def tag_all(
    requests: AsyncIterator[pb.StreamTagVideosRequest], _: Context
) -> AsyncIterator[pb.StreamTagVideosResponse]:
    async for item in requests:
        yield pb.StreamTagVideosResponse(video_id=item.request.video_id)


def raising(error: Exception) -> Unary:
    async def handler(_: pb.TagVideoRequest, __: Context) -> pb.TagVideoResponse:
        raise error

    return handler


class InnerInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls without a token, within the ErrorInterceptor."""

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        if ("token", "none") in (handler_call_details.invocation_metadata or ()):
            raise UnauthenticatedError("no token")
        return await continuation(handler_call_details)


def own_errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the errors of the service. asyncio and gRPC may log errors of earlier tests, at garbage collection."""
    return [
        record for record in caplog.records if record.name.startswith("tagging") and record.levelno >= logging.ERROR
    ]


Result = tuple[StatusCode, str | None, list[Any]]


async def call_server(
    call: str, requests: list[bytes], unary: Unary = tag, stream: Stream = tag_all, token: str = "good"
) -> Result:
    """Send raw bytes to a real server; return the status code, its details and the responses."""
    server = grpc.aio.server(interceptors=[ErrorInterceptor(), InnerInterceptor()])
    handlers: dict[str, Any] = {
        "TagVideo": grpc.unary_unary_rpc_method_handler(
            unary, pb.TagVideoRequest.FromString, pb.TagVideoResponse.SerializeToString
        ),
        "StreamTagVideos": grpc.stream_stream_rpc_method_handler(
            stream, pb.StreamTagVideosRequest.FromString, pb.StreamTagVideosResponse.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("videotag.v1.TaggingService", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    received: list[Any] = []
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            method, metadata = f"/videotag.v1.TaggingService/{call}", (("token", token),)
            try:
                if call == "StreamTagVideos":
                    stream_call: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)
                    async for item in stream_call(iter(requests), timeout=30, metadata=metadata):
                        received += [pb.StreamTagVideosResponse.FromString(item).video_id]
                else:
                    unary_call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
                    response = await unary_call(requests[0], timeout=30, metadata=metadata)
                    received += [pb.TagVideoResponse.FromString(response).video_id]
            except grpc.aio.AioRpcError as error:
                return error.code(), error.details(), received
    finally:
        await server.stop(None)
    return StatusCode.OK, None, received


def test_successful_calls_are_unchanged() -> None:
    assert asyncio.run(call_server("TagVideo", [GOOD])) == (StatusCode.OK, None, ["v1"])
    assert asyncio.run(call_server("StreamTagVideos", [ITEM] * 3)) == (StatusCode.OK, None, ["v1"] * 3)


@pytest.mark.parametrize("sent", [b"\xff", b"\x0a\x05a", b"\x0a\x02\xff\xfe", b"\x0a" + b"\xff" * 20])
def test_an_undecodable_request_is_an_invalid_argument(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    code, message, _ = asyncio.run(call_server("TagVideo", [sent]))
    assert code == StatusCode.INVALID_ARGUMENT
    assert message is not None
    assert message.startswith(f"{len(sent)} bytes are not a valid request of /videotag.v1.TaggingService/TagVideo")
    assert own_errors(caplog) == []


class Video:
    pass


def test_a_failed_call_keeps_no_reference_to_its_video() -> None:
    videos: list[weakref.ref[Video]] = []

    async def handler(_: pb.TagVideoRequest, __: Context) -> pb.TagVideoResponse:
        video, error = Video(), MediaTooBigError("too big", "send less")
        videos.append(weakref.ref(video))
        raise error  # its traceback refers to this frame, which refers to the error

    gc.collect()
    gc.disable()  # a collection would free reference cycles, but only later
    try:
        assert asyncio.run(call_server("TagVideo", [GOOD], handler))[0] == StatusCode.INVALID_ARGUMENT
        assert [video() for video in videos] == [None]
    finally:
        gc.enable()


def test_a_stream_ends_at_an_undecodable_request_and_keeps_earlier_responses() -> None:
    code, message, received = asyncio.run(call_server("StreamTagVideos", [ITEM, ITEM, b"\xff", ITEM]))
    assert (code, received) == (StatusCode.INVALID_ARGUMENT, ["v1", "v1"])
    assert message is not None
    assert "1 bytes are not a valid request" in message


@pytest.mark.parametrize("error", [MediaTooBigError("5 GiB, at most 4"), OverloadedError("100 wait already", "", 2.0)])
def test_a_known_error_is_answered_with_its_status(error: VideotagError) -> None:
    want = status_of(error)
    code, message, _ = asyncio.run(call_server("TagVideo", [GOOD], unary=raising(error)))
    assert (code.value[0], message) == (want.code, want.message)


def test_a_known_error_ends_a_stream_after_earlier_responses() -> None:
    async def break_down(
        requests: AsyncIterator[pb.StreamTagVideosRequest], _: Context
    ) -> AsyncIterator[pb.StreamTagVideosResponse]:
        async for item in requests:
            yield pb.StreamTagVideosResponse(video_id=item.request.video_id)
            raise OverloadedError("draining")

    found = asyncio.run(call_server("StreamTagVideos", [ITEM, ITEM], stream=break_down))
    assert found == (StatusCode.RESOURCE_EXHAUSTED, "draining", ["v1"])


def test_a_stream_refused_before_it_is_read_leaves_no_task() -> None:
    async def refuse(
        _: AsyncIterator[pb.StreamTagVideosRequest], __: Context
    ) -> AsyncIterator[pb.StreamTagVideosResponse]:
        raise OverloadedError("full")
        yield

    found = asyncio.run(call_server("StreamTagVideos", [ITEM], stream=refuse))
    assert found == (StatusCode.RESOURCE_EXHAUSTED, "full", [])
    gc.collect()  # a coroutine that was never awaited warns here, and warnings are errors


def test_an_unexpected_error_is_logged_and_not_sent_to_the_client(caplog: pytest.LogCaptureFixture) -> None:
    code, message, _ = asyncio.run(call_server("TagVideo", [GOOD], unary=raising(KeyError("/srv/secret"))))
    assert (code, message) == (StatusCode.INTERNAL, UNEXPECTED)
    [record] = own_errors(caplog)
    assert record.exc_info is not None
    assert "/srv/secret" in str(record.exc_info[1])
    assert vars(record)["call"] == "/videotag.v1.TaggingService/TagVideo"


@pytest.mark.parametrize(("call", "sent"), [("TagVideo", GOOD), ("StreamTagVideos", ITEM)])
def test_errors_of_inner_interceptors_are_converted_too(call: str, sent: bytes) -> None:
    code, message, received = asyncio.run(call_server(call, [sent], token="none"))
    assert (code, message, received) == (StatusCode.UNAUTHENTICATED, "no token", [])


def test_a_status_set_by_a_handler_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    async def abort(_: pb.TagVideoRequest, context: Context) -> pb.TagVideoResponse:
        await context.abort(StatusCode.UNIMPLEMENTED, "later")
        raise AssertionError("abort raises")

    assert asyncio.run(call_server("TagVideo", [GOOD], unary=abort)) == (StatusCode.UNIMPLEMENTED, "later", [])
    assert own_errors(caplog) == []


def test_an_unknown_method_is_unimplemented() -> None:
    code, _, __ = asyncio.run(call_server("Nothing", [GOOD]))
    assert code == StatusCode.UNIMPLEMENTED


async def disconnect(call: str) -> list[str]:
    """Return the events that a waiting handler sees when its client disconnects."""
    noticed: list[str] = []
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            noticed.append("cancelled")
            raise
        finally:
            noticed.append("ended")
            ended.set()

    async def unary(_: bytes, __: Context) -> bytes:
        await wait()
        return b""

    async def stream(requests: AsyncIterator[bytes], __: Context) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request
            await wait()

    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    handlers: dict[str, Any] = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Stream": grpc.stream_stream_rpc_method_handler(stream),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("s", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        if call == "Unary":
            unary_call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/s/Unary")
            running = unary_call(b"")
            await begun.wait()
            running.cancel()
        else:
            stream_call: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream("/s/Stream")
            streaming = stream_call(iter([b"x"]))
            await begun.wait()
            streaming.cancel()
        await asyncio.wait_for(ended.wait(), 30)
    await server.stop(None)
    return noticed


@pytest.mark.parametrize("call", ["Unary", "Stream"])
def test_a_handler_is_cancelled_when_its_client_disconnects_and_nothing_is_logged(
    call: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert asyncio.run(disconnect(call)) == ["cancelled", "ended"]
    # gRPC's poller may still use the loop of an earlier test, which asyncio logs.
    assert own_errors(caplog) == []


class ContextWithoutDeadline:
    """The context of a call without a deadline."""

    def time_remaining(self) -> None:
        return None


def test_a_stream_dropped_between_two_responses_is_closed_at_once() -> None:
    ended: list[str] = []

    async def stream(requests: AsyncIterator[bytes], _: ContextWithoutDeadline) -> AsyncIterator[bytes]:
        try:
            async for request in requests:
                yield request
        finally:
            ended.append("handler")

    async def handler_of(_: object) -> Any:
        return grpc.stream_stream_rpc_method_handler(stream)

    async def two() -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"

    async def drop() -> list[str]:
        details = SimpleNamespace(method="/s/Stream", invocation_metadata=())
        answers = (await ErrorInterceptor().intercept_service(handler_of, details)).stream_stream(
            two(), ContextWithoutDeadline()
        )
        assert await anext(answers) == b"1"
        await answers.aclose()
        return list(ended)

    assert asyncio.run(drop()) == ["handler"]
