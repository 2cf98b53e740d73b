"""Telemetry of each call: its request id, metrics, trace span, and one line of the access log."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
from grpc import StatusCode
from opentelemetry import context as traces
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Tracer

from tagging.service.contract import OTHER
from tagging.service.interceptors.wrap import Context, Continuation, Handler, with_written_responses, wrap
from tagging.service.observe.call import REQUEST_ID, Call, request_id_of, set_current
from tagging.service.observe.metrics import CallMetrics, error_reason
from tagging.service.observe.traces import parent_context, start_span

logger = logging.getLogger("tagging.service.access")

_BY_NUMBER: dict[int, StatusCode] = {code.value[0]: code for code in StatusCode}
# Codes that are the server's fault, by OpenTelemetry's semantic conventions for gRPC.
_FAULTS = {
    StatusCode.UNKNOWN, StatusCode.DEADLINE_EXCEEDED, StatusCode.UNIMPLEMENTED, StatusCode.INTERNAL,
    StatusCode.UNAVAILABLE, StatusCode.DATA_LOSS,
}  # fmt: skip


class TelemetryInterceptor(grpc.aio.ServerInterceptor):
    """The outermost interceptor, before ErrorInterceptor, so that it sees the statuses that are sent.

    Covers calls of the contract of the metrics and calls of unknown methods; health and reflection pass through. The
    response's trailing metadata carry the request id: initial metadata would be one more operation of gRPC to wait for.
    """

    def __init__(self, metrics: CallMetrics, tracer: Tracer, clock: Callable[[], float] = time.perf_counter) -> None:
        self._metrics = metrics
        self._contract = metrics.contract
        self._tracer = tracer
        self._clock = clock

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        handler = await continuation(handler_call_details)
        method = self._contract.method_of(handler_call_details.method)
        if handler is None:
            return grpc.stream_stream_rpc_method_handler(self._refuse_unknown)
        if method == OTHER:
            return handler
        around = partial(self._around, method)
        return with_written_responses(wrap(handler, unary=around, stream=around))

    @contextmanager
    def _around(self, method: str, request: Any, context: Context) -> Iterator[Any]:
        """request: of a unary call, or the iterator of a stream; passed on as it is"""
        with self._observed(method, context):
            yield request

    async def _refuse_unknown(self, _: AsyncIterator[Any], context: Context) -> None:
        with self._observed(OTHER, context):
            await context.abort(StatusCode.UNIMPLEMENTED, "unknown method")

    @contextmanager
    def _observed(self, method: str, context: Context) -> Iterator[None]:
        started_s = self._clock()
        metadata = context.invocation_metadata() or ()
        call = Call(request_id_of(metadata), method)
        set_current(call)
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        if (parent := parent_context(metadata)) is not None:
            traces.attach(parent)  # never detached: the task ends with the call
        in_flight = self._metrics.in_flight.labels(method)
        in_flight.inc()
        code = StatusCode.UNKNOWN
        service = self._contract.service
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method, "request_id": call.request_id}
        name = f"{service}/{method}" if method != OTHER else OTHER
        with start_span(self._tracer, name, kind=SpanKind.SERVER, attributes=attributes) as span:
            try:
                yield
                code = _sent_status(context)
            except grpc.aio.AbortError:
                code = _sent_status(context)
                raise
            # The deadline passed, or the client is gone; GeneratorExit: while a response of a stream was written.
            except (asyncio.CancelledError, grpc.aio.BaseError, GeneratorExit):
                code = _cancelled_status(context)
                raise
            finally:
                in_flight.dec()
                span.set_attribute("rpc.grpc.status_code", code.value[0])
                if code in _FAULTS:
                    span.set_status(trace.StatusCode.ERROR)
                # gRPC sends the response in this step of the loop, once the handler has returned; the record of the
                # call is written in the next one, so that the client does not wait for it.
                seconds, peer = self._clock() - started_s, context.peer()
                asyncio.get_running_loop().call_soon(self._record, call, code, seconds, peer)

    def _record(self, call: Call, code: StatusCode, seconds: float, peer: str) -> None:
        """Count and log a call that has ended."""
        self._metrics.request_seconds.labels(call.method, code.name).observe(seconds)
        fields = {"code": code.name, "seconds": round(seconds, 6), "peer": peer}
        if call.error is not None:
            self._metrics.rejected(call.error)
            fields["reason"] = error_reason(call.error)
        logger.info("call", extra=fields)


def _sent_status(context: Context) -> StatusCode:
    """Return the status that was set; gRPC may hold it as a number."""
    code = context.code()
    return code if isinstance(code, StatusCode) else _BY_NUMBER.get(code or 0, StatusCode.UNKNOWN)


def _cancelled_status(context: Context) -> StatusCode:
    left_s = context.time_remaining()
    return StatusCode.DEADLINE_EXCEEDED if left_s is not None and left_s <= 0 else StatusCode.CANCELLED
