"""Between gRPC and the handlers: bytes that are no request are refused, and whatever is raised becomes its status.

Left to itself grpc.aio answers both with UNKNOWN and the text of the exception.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from tagging import concurrency
from tagging.errors import InvalidRequestError, VideotagError
from tagging.service.errors.status import status_of
from tagging.service.observe.call import note_error

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # grpc.RpcMethodHandler, of which the types know the handlers that do not await alone


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Put it before all interceptors but the Observer: what they raise passes through it, too.

    Handlers, and these interceptors, raise VideotagError. A handler is unary, or an async generator over a stream.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        call = handler_call_details.method
        try:
            handler = await continuation(handler_call_details)
        except Exception as error:
            return _refusing(call, error)
        if handler is not None and handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                _guarded(call, handler), response_serializer=handler.response_serializer
            )
        if handler is not None and handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                _guarded_stream(call, handler), response_serializer=handler.response_serializer
            )
        return handler  # health and reflection have others, which are not ours


def _guarded(call: str, handler: Handler) -> Callable[[bytes, Context], Awaitable[Any]]:
    async def answer(request: bytes, context: Context) -> Any:
        concurrency.set_deadline(context.time_remaining())
        try:
            return await handler.unary_unary(_parsed(call, handler, request), context)
        except Exception as error:
            await _abort(call, error, context)

    return answer


def _guarded_stream(call: str, handler: Handler) -> Callable[[AsyncIterator[bytes], Context], AsyncIterator[Any]]:
    async def answer(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        async def parsed() -> AsyncIterator[Any]:
            async for request in requests:  # begun by who reads: gRPC warns of a reader that is begun and not used
                yield _parsed(call, handler, request)

        concurrency.set_deadline(context.time_remaining())
        try:
            async with aclosing(handler.stream_stream(parsed(), context)) as responses:
                async for response in responses:
                    yield response
        except Exception as error:
            await _abort(call, error, context)

    return answer


def _refusing(call: str, error: Exception) -> Handler:
    """A handler that answers with the error."""

    async def answer(_: bytes, context: Context) -> None:
        await _abort(call, error, context)

    return grpc.unary_unary_rpc_method_handler(answer)


def _parsed(call: str, handler: Handler, request: bytes) -> Any:
    try:
        return handler.request_deserializer(request) if handler.request_deserializer is not None else request
    except DecodeError as error:
        raise InvalidRequestError(f"{len(request)} bytes that are no request of {call}: {error}") from error


async def _abort(call: str, error: Exception, context: Context) -> None:
    if isinstance(error, grpc.aio.BaseError):  # a status that is given already, or a connection that is gone
        raise error
    note_error(error)
    if not isinstance(error, VideotagError):
        logger.error("a call failed as nobody foresaw", exc_info=error, extra={"call": call})
    try:
        await context.abort_with_status(rpc_status.to_status(status_of(error)))
    except grpc.aio.AbortError as aborted:
        context.add_done_callback(partial(release_call, aborted))  # type: ignore[arg-type]
        raise


def release_call(error: BaseException, _: object = None) -> None:
    """Of an error that is told: the frames which it went through, and so the request and the media that they hold.

    gRPC keeps what ended a call, and futures keep what they were ended with: circles, which would hold megabytes until
    the garbage is looked through.
    """
    told: BaseException | None = error
    while told is not None:
        told.__traceback__ = None
        told = told.__cause__ or told.__context__
