"""Wrapping of gRPC method handlers: the part that all interceptors of the service share.

An interceptor states what surrounds a call as a context manager: it takes the request (of a unary call) or the iterator
of requests (of a stream), and yields what the handler is to get. Code before the `yield` runs before the handler, code
after it once the handler is done, and exceptions of the handler arrive at the `yield`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing
from typing import Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # a grpc.RpcMethodHandler; the type stubs only know handlers that are not async
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]

AroundUnary = Callable[[Any, Context], AbstractContextManager[Any]]
AroundStream = Callable[[AsyncIterator[Any], Context], AbstractContextManager[AsyncIterator[Any]]]


def can_wrap(handler: Handler) -> bool:
    """Return whether the handler is unary, or an async generator over a stream of requests."""
    return handler.unary_unary is not None or handler.stream_stream is not None


def wrap(handler: Handler, *, unary: AroundUnary, stream: AroundStream) -> Handler:
    """Return the handler of the same kind that runs inside the context manager.

    The responses of a stream are always closed before the context manager exits, also when the client leaves early.
    Raises NotImplementedError for kinds of calls that the service does not have, so that none is left unguarded.
    """
    codecs = handler.request_deserializer, handler.response_serializer
    if handler.unary_unary is not None:

        async def answer(request: Any, context: Context) -> Any:
            with unary(request, context) as passed:
                return await handler.unary_unary(passed, context)

        return grpc.unary_unary_rpc_method_handler(answer, *codecs)
    if handler.stream_stream is None:
        raise NotImplementedError("expected a unary-unary or stream-stream handler")

    async def answer_all(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        with stream(requests, context) as passed:
            async with aclosing(handler.stream_stream(passed, context)) as responses:
                async for response in responses:
                    yield response

    return grpc.stream_stream_rpc_method_handler(answer_all, *codecs)


def with_written_responses(handler: Handler) -> Handler:
    """Return a stream handler as a coroutine that writes its responses; a unary handler as it is.

    For the outermost interceptor: gRPC leaves a generator whose client is gone to the garbage collector, which would
    end it in another task at some later time. A coroutine is cancelled.
    """
    if handler.stream_stream is None:
        return handler

    async def answer_all(requests: AsyncIterator[Any], context: Context) -> None:
        async with aclosing(handler.stream_stream(requests, context)) as responses:
            async for response in responses:
                await context.write(response)

    return grpc.stream_stream_rpc_method_handler(answer_all, handler.request_deserializer, handler.response_serializer)
