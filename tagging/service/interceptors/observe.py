"""Around each call: its request id, its numbers, its span, and one line of the access log."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc
from grpc import StatusCode
from opentelemetry import context as traces
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Tracer

from tagging.service.interceptors.errors import Context, Handler
from tagging.service.observe.call import REQUEST_ID, Call, begin, request_id_of
from tagging.service.observe.metrics import METHODS, OTHER, SERVICE, Metrics, error_reason, method_of
from tagging.service.observe.traces import parent_context

logger = logging.getLogger("tagging.service.access")

_BY_NUMBER: dict[int, StatusCode] = {code.value[0]: code for code in StatusCode}
# Those that are a server's fault, by OpenTelemetry's conventions for gRPC.
_FAULTS = {
    StatusCode.UNKNOWN, StatusCode.DEADLINE_EXCEEDED, StatusCode.UNIMPLEMENTED, StatusCode.INTERNAL,
    StatusCode.UNAVAILABLE, StatusCode.DATA_LOSS,
}  # fmt: skip


class TelemetryInterceptor(grpc.aio.ServerInterceptor):
    """Put it first among the interceptors, before the Boundary: it sees the statuses that are sent.

    Watched are the calls of our own service, and those of no service at all; health and reflection pass.
    The answer's initial metadata has the request id, so no handler may send initial metadata itself.
    """

    def __init__(self, metrics: Metrics, tracer: Tracer, clock: Callable[[], float] = time.perf_counter) -> None:
        self._metrics = metrics
        self._tracer = tracer
        self._clock = clock

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        method = method_of(handler_call_details.method)
        if handler is None:
            return grpc.stream_stream_rpc_method_handler(self._unknown())
        if method == OTHER:
            return handler
        codecs = handler.request_deserializer, handler.response_serializer
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler), *codecs)
        return grpc.stream_stream_rpc_method_handler(self._stream(method, handler), *codecs)

    def _unary(self, method: str, handler: Handler) -> Callable[[Any, Context], Awaitable[Any]]:
        async def answer(request: Any, context: Context) -> Any:
            with self._watched(method, context) as call:
                await _send_id(call, context)
                return await handler.unary_unary(request, context)

        return answer

    def _stream(self, method: str, handler: Handler) -> Callable[[AsyncIterator[Any], Context], Awaitable[None]]:
        # A coroutine and no generator: gRPC leaves a generator whose client is gone to the garbage collector, which
        # would end it in another task, some time.
        async def answer(requests: AsyncIterator[Any], context: Context) -> None:
            with self._watched(method, context) as call:
                await _send_id(call, context)
                async with aclosing(handler.stream_stream(requests, context)) as responses:
                    async for response in responses:
                        await context.write(response)

        return answer

    def _unknown(self) -> Callable[[AsyncIterator[Any], Context], Awaitable[None]]:
        async def answer(_: AsyncIterator[Any], context: Context) -> None:
            with self._watched(OTHER, context) as call:
                await _send_id(call, context)
                await context.abort(StatusCode.UNIMPLEMENTED, "there is no such call")

        return answer

    @contextmanager
    def _watched(self, method: str, context: Context) -> Iterator[Call]:
        begun_s = self._clock()
        metadata = context.invocation_metadata() or ()
        call = Call(request_id_of(metadata), method)
        begin(call)
        if (caller := parent_context(metadata)) is not None:
            traces.attach(caller)  # never detached: the task ends with the call
        in_flight = self._metrics.in_flight.labels(method)
        in_flight.inc()
        code = StatusCode.UNKNOWN
        attributes = {"rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": method, "request_id": call.request_id}
        with self._tracer.start_as_current_span(
            f"{SERVICE}/{method}" if method in METHODS else OTHER,
            kind=SpanKind.SERVER, attributes=attributes, record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip
            try:
                yield call
                code = _sent(context)
            except grpc.aio.AbortError:
                code = _sent(context)
                raise
            except (asyncio.CancelledError, grpc.aio.BaseError):  # a client that waits no more, or is gone
                code = _why_cancelled(context)
                raise
            finally:
                in_flight.dec()
                seconds = self._clock() - begun_s
                self._metrics.request_seconds.labels(method, code.name).observe(seconds)
                if call.error is not None:
                    self._metrics.rejected(call.error)
                span.set_attribute("rpc.grpc.status_code", code.value[0])
                if code in _FAULTS:
                    span.set_status(trace.StatusCode.ERROR)
                self._tell(call, code, seconds, context)

    def _tell(self, call: Call, code: StatusCode, seconds: float, context: Context) -> None:
        fields = {"code": code.name, "seconds": round(seconds, 6), "peer": context.peer()}
        if call.error is not None:
            fields["reason"] = error_reason(call.error)
        logger.info("call", extra=fields)


async def _send_id(call: Call, context: Context) -> None:
    await context.send_initial_metadata(((REQUEST_ID, call.request_id),))


def _sent(context: Context) -> StatusCode:
    """The status that is given; gRPC keeps its number."""
    code = context.code()
    return code if isinstance(code, StatusCode) else _BY_NUMBER.get(code or 0, StatusCode.UNKNOWN)


def _why_cancelled(context: Context) -> StatusCode:
    left_s = context.time_remaining()
    return StatusCode.DEADLINE_EXCEEDED if left_s is not None and left_s <= 0 else StatusCode.CANCELLED
