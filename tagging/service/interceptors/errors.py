"""Mapping of exceptions to gRPC statuses, and parsing of requests.

Without it, grpc.aio answers both an exception of a handler and bytes that are no request with UNKNOWN and the text of
the Python exception.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_status import rpc_status

from tagging import concurrency
from tagging.errors import InvalidRequestError, VideotagError
from tagging.service.errors.status import pushback_ms, status_of
from tagging.service.interceptors.wrap import Context, Continuation, Handler, can_wrap
from tagging.service.observe.call import REQUEST_ID, current, note_error

logger = logging.getLogger(__name__)

PUSHBACK = "grpc-retry-pushback-ms"


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Comes before all other interceptors but TelemetryInterceptor, so that it maps their exceptions as well.

    Handlers and interceptors raise VideotagError; any other exception becomes INTERNAL and is logged. The deadline of
    the call is set for the code below (tagging/concurrency.py).
    """

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        method = handler_call_details.method
        try:
            handler = await continuation(handler_call_details)
        except Exception as error:
            return _failing(method, error)
        if handler is None or not can_wrap(handler):  # health and reflection have other kinds, with code of their own
            return handler
        return _mapped_stream(method, handler) if handler.unary_unary is None else _mapped_unary(method, handler)


def _mapped_unary(method: str, handler: Handler) -> Handler:
    """Return the handler as one that gets bytes, so that parsing them can fail inside of it."""

    async def answer(request: bytes, context: Context) -> Any:
        concurrency.set_deadline(context.time_remaining())
        try:
            return await handler.unary_unary(_parse(method, handler, request), context)
        except Exception as error:
            await _abort(method, error, context)

    return grpc.unary_unary_rpc_method_handler(answer, None, handler.response_serializer)


def _mapped_stream(method: str, handler: Handler) -> Handler:
    """Return the handler as one that gets bytes, as for a unary call."""

    async def parsed(requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for request in requests:  # iterated by the handler: gRPC warns of an iterator that is made and not used
            yield _parse(method, handler, request)

    async def answer_all(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        concurrency.set_deadline(context.time_remaining())
        try:
            async with aclosing(handler.stream_stream(parsed(requests), context)) as responses:
                async for response in responses:
                    yield response
        except Exception as error:
            await _abort(method, error, context)

    return grpc.stream_stream_rpc_method_handler(answer_all, None, handler.response_serializer)


def _failing(method: str, error: Exception) -> Handler:
    """Return a handler that answers with the status of the error."""

    async def answer(_: bytes, context: Context) -> None:
        await _abort(method, error, context)

    return grpc.unary_unary_rpc_method_handler(answer)


def _parse(method: str, handler: Handler, request: bytes) -> Any:
    try:
        return handler.request_deserializer(request) if handler.request_deserializer is not None else request
    except DecodeError as error:
        raise InvalidRequestError(f"{len(request)} bytes are not a valid request of {method}: {error}") from error


async def _abort(method: str, error: Exception, context: Context) -> None:
    if isinstance(error, grpc.aio.BaseError):  # a status that was set already, or a closed connection
        raise error
    note_error(error)
    if not isinstance(error, VideotagError):
        logger.error("a call failed with an unexpected error", exc_info=error, extra={"call": method})
    try:
        await context.abort_with_status(_answer(status_of(error)))
    except grpc.aio.AbortError as aborted:
        context.add_done_callback(partial(release_frames, aborted))  # type: ignore[arg-type]
        raise


@dataclass(frozen=True, slots=True)
class _Answer(grpc.Status):
    """A status as gRPC sends it."""

    code: StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def _answer(status: Status) -> _Answer:
    packed = rpc_status.to_status(status)
    delay_ms = pushback_ms(status)
    pushback = () if delay_ms is None else ((PUSHBACK, str(delay_ms)),)
    call = current()
    request_id = () if call is None else ((REQUEST_ID, call.request_id),)  # those that were set are replaced by these
    return _Answer(packed.code, packed.details, (*(packed.trailing_metadata or ()), *pushback, *request_id))


def release_frames(error: BaseException, _: object = None) -> None:
    """Drop the tracebacks of an error that was reported, and with them the request and media that the frames hold.

    gRPC keeps the exception that ended a call, and futures keep theirs: reference cycles that would hold megabytes
    until the next garbage collection.
    """
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
