"""TelemetryInterceptor: every call of a real server is counted, timed, traced and logged once, however it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import ForbiddenError, MediaTooBigError, OverloadedError, QuotaExceededError, UnauthenticatedError
from tagging.service.clients.roles import SERVICE, TAGGING
from tagging.service.interceptors.wrap import Context
from tagging.service.observe.call import current, note_client
from tagging.service.observe.stages import TimedStages
from tests.support.grpc_serving import Recorded, Serving, serving
from tests.support.polling import wait_until_async

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def settled(condition: Callable[[], bool]) -> None:
    """Wait for the server's handler, which ends after the client has its response."""
    await wait_until_async(condition, interval_s=0.001)


async def ended(recorded: Recorded, calls: int) -> None:
    await settled(lambda: len(recorded.access) >= calls)


def test_a_call_is_timed_by_method_and_code_and_logged_in_one_line() -> None:
    async def ask() -> Recorded:
        async with serving() as at:
            assert (await at.unary())[0] == StatusCode.OK
            assert [answer async for answer in at.stream([b"1", b"2"])] == [b"1", b"2"]
            await ended(at.recorded, 2)
        return at.recorded

    recorded = asyncio.run(ask())
    for method in ("TagVideo", "StreamTagVideos"):
        assert recorded.value("tagging_request_seconds_count", method=method, code="OK") == 1
        assert recorded.value("tagging_in_flight", method=method) == 0
    assert [(line["method"], line["code"], line["level"]) for line in recorded.access] == [
        ("TagVideo", "OK", "INFO"),
        ("StreamTagVideos", "OK", "INFO"),
    ]
    assert all(0 < line["seconds"] < 30 for line in recorded.access)


@pytest.mark.parametrize(
    ("error", "code", "reason", "is_rejection"),
    [
        (MediaTooBigError("5 GiB"), "INVALID_ARGUMENT", "MEDIA_TOO_BIG", False),
        (OverloadedError("full"), "RESOURCE_EXHAUSTED", "OVERLOADED", True),
        (QuotaExceededError("slowly"), "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", True),
        (UnauthenticatedError("who?"), "UNAUTHENTICATED", "UNAUTHENTICATED", True),
        (ForbiddenError("no"), "PERMISSION_DENIED", "FORBIDDEN", True),
        (KeyError("title"), "INTERNAL", "INTERNAL", False),
    ],
)
@pytest.mark.parametrize("kind", ["unary", "stream"])
def test_an_error_is_logged_with_its_reason_and_rejections_are_counted(
    kind: str, error: Exception, code: str, reason: str, is_rejection: bool
) -> None:
    async def refuse(_: bytes, __: Context) -> bytes:
        raise error

    async def break_down(requests: AsyncIterator[bytes], _: Context) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request
            raise error

    async def ask() -> Recorded:
        async with serving(refuse, break_down) as at:
            if kind == "unary":
                assert (await at.unary())[0].name == code
            else:
                call = at.stream([b"1"])
                assert await call.read() == b"1"
                assert (await call.code()).name == code
            await ended(at.recorded, 1)
        return at.recorded

    recorded = asyncio.run(ask())
    [line] = recorded.access
    assert (line["code"], line["reason"]) == (code, reason)
    assert recorded.value("tagging_request_seconds_count", method=line["method"], code=code) == 1
    assert recorded.value("tagging_rejected_total", reason=reason) == (1 if is_rejection else None)
    [span] = recorded.spans.get_finished_spans()
    assert (span.status.status_code == trace.StatusCode.ERROR) == (code == "INTERNAL")
    assert not span.events  # an event would contain the message of the exception


def test_unknown_methods_are_counted_as_other() -> None:
    junk = [f"Method{n}" for n in range(50)] + ["TagVideo%0a", "tagvideo", "TagVideo/TagVideo", "ÄTag".encode().hex()]

    async def ask() -> tuple[set[Any], Recorded]:
        async with serving() as at:
            for name in junk:
                assert (await at.unary(name))[0] == StatusCode.UNIMPLEMENTED
            for n in range(20):
                assert (await at.unary("TagVideo", service=f"service{n}"))[0] == StatusCode.UNIMPLEMENTED
            for n in range(20):
                await at.unary(metadata=[("x-request-id", f"id{n}"), (f"key{n}", "value")])
            await ended(at.recorded, len(junk) + 40)
        series = {
            (sample.name, *sample.labels.items())
            for family in at.recorded.registry.collect()
            for sample in family.samples
        }
        return series, at.recorded

    series, recorded = asyncio.run(ask())
    assert recorded.value("tagging_request_seconds_count", method="other", code="UNIMPLEMENTED") == len(junk) + 20
    methods = {value for _, *labels in series for label, value in labels if label == "method"}
    assert methods == {*TAGGING.methods, "other"}
    codes = {value for _, *labels in series for label, value in labels if label == "code"}
    assert codes == {"OK", "UNIMPLEMENTED"}
    assert {line["method"] for line in recorded.access} == {"other", "TagVideo"}


@pytest.mark.parametrize("request_id", ["a", "req-1", "A.b_c:d-9", "x" * 128])
def test_the_request_id_of_a_caller_is_returned_and_logged(request_id: str) -> None:
    line, answered = asyncio.run(with_id(request_id))
    assert answered == line["request_id"] == request_id


@pytest.mark.parametrize("request_id", ["", " ", "x" * 129, "a b", "-a", 'a"b', "a\\b", "../../x", "a;b", "{}"])
def test_an_invalid_request_id_is_replaced(request_id: str) -> None:
    line, answered = asyncio.run(with_id(request_id))
    assert answered == line["request_id"] != request_id
    assert len(answered) == 32


async def with_id(request_id: str) -> tuple[dict[str, Any], str]:
    async with serving() as at:
        code, answered = await at.unary(metadata=[("x-request-id", request_id)])
        assert code == StatusCode.OK
        await ended(at.recorded, 1)
    return at.recorded.access[0], answered["x-request-id"]


def test_a_refused_call_returns_its_request_id_too() -> None:
    async def refuse(_: bytes, __: Context) -> bytes:
        raise OverloadedError("full")

    async def ask() -> None:
        async with serving(refuse) as at:
            code, answered = await at.unary(metadata=[("x-request-id", "mine")])
            assert (code, answered["x-request-id"]) == (StatusCode.RESOURCE_EXHAUSTED, "mine")
            code, answered = await at.unary("Nothing", metadata=[("x-request-id", "mine")])
            assert (code, answered["x-request-id"]) == (StatusCode.UNIMPLEMENTED, "mine")

    asyncio.run(ask())


def test_concurrent_calls_keep_their_own_ids_and_clients() -> None:
    async def slow(request: bytes, _: Context) -> bytes:
        note_client(f"client{request.decode()}")
        await asyncio.sleep(0.001)
        call = await asyncio.to_thread(current)
        assert call is not None
        await asyncio.sleep(0.001)
        return f"{call.request_id} {call.client}".encode()

    async def ask() -> Recorded:
        async with serving(slow) as at:
            await asyncio.gather(
                *(at.unary(request=b"%d" % n, metadata=[("x-request-id", f"r{n}")]) for n in range(60))
            )
            await ended(at.recorded, 60)
        return at.recorded

    lines = asyncio.run(ask()).access
    assert {(line["request_id"], line["client"]) for line in lines} == {(f"r{n}", f"client{n}") for n in range(60)}
    assert {line["code"] for line in lines} == {"OK"}


@pytest.mark.parametrize("kind", ["unary", "stream"])
def test_in_flight_calls_are_counted_until_their_client_disconnects(kind: str) -> None:
    begun, dropped = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            dropped.set()

    async def hang(_: bytes, __: Context) -> bytes:
        await wait()
        return b""

    async def hang_all(requests: AsyncIterator[bytes], _: Context) -> AsyncIterator[bytes]:
        yield b""
        await wait()

    async def ask() -> Recorded:
        async with serving(hang, hang_all) as at:
            method = "TagVideo" if kind == "unary" else "StreamTagVideos"
            ask_one: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = at.channel.unary_unary(f"/{SERVICE}/TagVideo")
            call = ask_one(b"") if kind == "unary" else at.stream([b"1"])
            await begun.wait()
            assert at.recorded.value("tagging_in_flight", method=method) == 1
            call.cancel()
            await asyncio.wait_for(dropped.wait(), 30)
            await ended(at.recorded, 1)
            assert at.recorded.value("tagging_in_flight", method=method) == 0
        return at.recorded

    recorded = asyncio.run(ask())
    assert [line["code"] for line in recorded.access] == ["CANCELLED"]
    assert not [line for line in recorded.lines() if line["level"] == "ERROR"]


def test_a_stream_ends_at_once_without_an_error_when_its_client_disconnects() -> None:
    closed = asyncio.Event()

    async def flood(_: AsyncIterator[bytes], __: Context) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1_000_000
        finally:
            closed.set()

    async def ask() -> Recorded:
        async with serving(stream=flood) as at:
            call = at.stream([b"1"])
            await call.read()
            call.cancel()
            await asyncio.wait_for(closed.wait(), 30)
            await ended(at.recorded, 1)
            assert at.recorded.value("tagging_in_flight", method="StreamTagVideos") == 0
        return at.recorded

    recorded = asyncio.run(ask())
    assert [line["code"] for line in recorded.access] == ["CANCELLED"]
    assert not [line for line in recorded.lines() if line["level"] == "ERROR"]


def test_an_expired_deadline_is_logged_as_such() -> None:
    async def hang(_: bytes, __: Context) -> bytes:
        await asyncio.Event().wait()
        return b""

    async def ask() -> Recorded:
        async with serving(hang) as at:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = at.channel.unary_unary(f"/{SERVICE}/TagVideo")
            assert await call(b"", timeout=0.2).code() == StatusCode.DEADLINE_EXCEEDED
            await ended(at.recorded, 1)
        return at.recorded

    recorded = asyncio.run(ask())
    assert [line["code"] for line in recorded.access] == ["DEADLINE_EXCEEDED"]
    [span] = recorded.spans.get_finished_spans()
    assert span.status.status_code == trace.StatusCode.ERROR


def test_a_status_set_by_a_handler_is_logged() -> None:
    async def abort(_: bytes, context: Context) -> bytes:
        await context.abort(StatusCode.DATA_LOSS, "gone")
        raise AssertionError("abort raises")

    recorded = asyncio.run(call_once(abort))
    assert [line["code"] for line in recorded.access] == ["DATA_LOSS"]


async def call_once(unary: Callable[[bytes, Context], Coroutine[Any, Any, bytes]], **options: Any) -> Recorded:
    headers = options.pop("metadata", [])
    async with serving(unary, **options) as at:
        await at.unary(metadata=headers)
        await ended(at.recorded, 1)
    return at.recorded


def with_stages(
    servers: list[Serving], executor: ThreadPoolExecutor
) -> Callable[[bytes, Context], Coroutine[Any, Any, bytes]]:
    async def handler(_: bytes, __: Context) -> bytes:
        stages = TimedStages(servers[0].recorded.metrics, servers[0].recorded.tracer)

        def blocking() -> None:
            with stages("encode"):
                pass

        with stages("decode"):
            await asyncio.to_thread(blocking)
        await asyncio.get_running_loop().run_in_executor(executor, copy_context().run, blocking)
        return b""

    return handler


def test_a_call_and_its_stages_are_one_trace_across_threads() -> None:
    async def ask() -> Recorded:
        servers: list[Serving] = []
        with ThreadPoolExecutor(1) as executor:
            async with serving(with_stages(servers, executor)) as at:
                servers.append(at)
                await at.unary(metadata=[("traceparent", f"00-{TRACE}-{PARENT}-01")])
                await ended(at.recorded, 1)
        return at.recorded

    recorded = asyncio.run(ask())
    spans = {span.name: span for span in recorded.spans.get_finished_spans()}
    first, decode, second, root = recorded.spans.get_finished_spans()
    assert (first.name, decode.name, second.name, root.name) == ("encode", "decode", "encode", f"{SERVICE}/TagVideo")
    assert all(f"{span.context.trace_id:032x}" == TRACE for span in spans.values() if span.context)
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == PARENT
    assert root.kind == SpanKind.SERVER
    assert (first.parent, decode.parent, second.parent) == (decode.context, root.context, root.context)
    assert root.attributes is not None
    assert root.attributes["rpc.grpc.status_code"] == 0
    assert recorded.access[0]["trace_id"] == TRACE
    assert recorded.value("tagging_stage_seconds_count", stage="encode") == 2
    assert recorded.value("tagging_stage_seconds_count", stage="decode") == 1


@pytest.mark.parametrize(
    "parent", ["", "junk", f"00-{TRACE}-{PARENT}", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01"]
)
def test_an_invalid_traceparent_starts_a_new_trace(parent: str) -> None:
    recorded = asyncio.run(call_once(echo_of, metadata=[("traceparent", parent), ("tracestate", "=" * 600)]))
    [span] = recorded.spans.get_finished_spans()
    assert span.parent is None
    assert recorded.access[0]["trace_id"] != TRACE


async def echo_of(request: bytes, _: Context) -> bytes:
    return request


@pytest.mark.parametrize(("flags", "kept"), [("00", 0), ("01", 1)])
def test_the_sampling_decision_of_the_caller_is_respected(flags: str, kept: int) -> None:
    share = 1.0 if flags == "00" else 0.0  # the decision without the caller
    recorded = asyncio.run(call_once(echo_of, share=share, metadata=[("traceparent", f"00-{TRACE}-{PARENT}-{flags}")]))
    assert len(recorded.spans.get_finished_spans()) == kept


def test_without_a_collector_there_are_no_spans_and_the_callers_trace_is_in_the_log() -> None:
    recorded = asyncio.run(call_once(echo_of, share=None, metadata=[("traceparent", f"00-{TRACE}-{PARENT}-01")]))
    assert not recorded.spans.get_finished_spans()
    assert recorded.access[0]["trace_id"] == TRACE
    assert "trace_id" not in asyncio.run(call_once(echo_of, share=None)).access[0]


def test_context_variables_of_a_call_end_with_it() -> None:
    seen: list[Any] = []

    async def look(_: bytes, __: Context) -> bytes:
        seen.append((trace.get_current_span().get_span_context().trace_id, current()))
        return b""

    async def ask() -> None:
        async with serving(look) as at:
            for n in range(2):
                await at.unary(metadata=[("x-request-id", f"r{n}")])
            assert current() is None
            assert not trace.get_current_span().get_span_context().is_valid

    asyncio.run(ask())
    (first, call), (second, other) = seen
    assert first != second
    assert (call.request_id, other.request_id) == ("r0", "r1")


SECRETS = ("my holiday in Kyoto", "hunter2", "eyJtoken", "X-Amz-Signature", "secretword")


def test_no_title_query_or_token_of_a_failed_call_reaches_logs_or_spans() -> None:
    async def fail(request: bytes, _: Context) -> bytes:
        parsed = pb.TagVideoRequest.FromString(request)
        try:
            raise ValueError(f"cannot read {parsed.title!r}")
        except ValueError as error:
            # Not in the raise statement: its source line is part of the traceback.
            message = f"{parsed.uri} with Bearer eyJtoken, password=hunter2, {parsed.title!r}"
            raise RuntimeError(message) from error

    async def ask() -> Recorded:
        async with serving(fail) as at:
            request = pb.TagVideoRequest(
                video_id="v1",
                title="my holiday in Kyoto",
                uri="https://me:secretword@cdn.example/v.mp4?X-Amz-Signature=abc",
            )
            metadata = [("authorization", "Bearer eyJtoken"), ("x-request-id", "Bearer eyJtoken")]
            code, _ = await at.unary(request=request.SerializeToString(), metadata=metadata)
            assert code == StatusCode.INTERNAL
            await ended(at.recorded, 1)
        return at.recorded

    recorded = asyncio.run(ask())
    output = recorded.log.getvalue() + "".join(span.to_json() for span in recorded.spans.get_finished_spans())
    assert "builtins.RuntimeError: https://" in output  # the failure itself is logged
    assert "cdn.example/v.mp4" in output
    assert "in fail" in output
    for secret in SECRETS:
        assert secret not in output
