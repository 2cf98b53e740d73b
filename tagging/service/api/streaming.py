"""Streaming of responses: a bounded concurrent map over a stream of requests, and its use for StreamTagVideos."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from videotag.v1 import tagging_pb2 as pb

from tagging.errors import VideotagError
from tagging.service.api.video_messages import read_tag_request, stream_response, tagging_message
from tagging.service.calls.videos import VideoCalls
from tagging.service.errors.status import status_of
from tagging.service.interceptors.errors import release_frames
from tagging.service.observe.metrics import Metrics

logger = logging.getLogger(__name__)

AT_ONCE = 8  # videos of one stream that are tagged concurrently

T = TypeVar("T")
U = TypeVar("U")


def tag_stream(
    requests: AsyncIterator[pb.StreamTagVideosRequest], videos: VideoCalls, metrics: Metrics
) -> AsyncGenerator[pb.StreamTagVideosResponse, None]:
    """Tag the videos of a stream; responses come as they are ready, and the failure of a video is its response."""

    async def tag(index: int, message: pb.StreamTagVideosRequest) -> pb.StreamTagVideosResponse:
        request = message.request
        try:
            tag_request = read_tag_request(request)
            response = tagging_message(await videos.tag(tag_request), tag_request.evidence)
            return stream_response(index, request.video_id, response)
        except Exception as error:
            metrics.rejected(error)
            if not isinstance(error, VideotagError):  # fails this video only, not the stream
                logger.exception("unexpected error in a video of a stream")
            failure = stream_response(index, request.video_id, status_of(error))
            release_frames(error)
            return failure

    return map_concurrently(requests, tag, AT_ONCE)


async def map_concurrently(
    requests: AsyncIterator[T], respond: Callable[[int, T], Coroutine[Any, Any, U]], at_once: int
) -> AsyncGenerator[U, None]:
    """Yield the responses to a stream of requests as they are ready, and raise what `respond` raises.

    respond: gets the index of the request, from 0, and the request. No request is read while `at_once` are in progress.
    Closing the generator cancels those that are.
    """
    running: set[asyncio.Task[U]] = set()
    stream, index, ended = aiter(requests), 0, False
    reading: asyncio.Task[T] | None = None
    try:
        while not ended or running:
            if reading is None and not ended and len(running) < at_once:
                reading = asyncio.ensure_future(anext(stream))
            pending = {*running, *([reading] if reading is not None else [])}
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if reading is not None and reading in done:
                finished, reading = reading, None
                try:
                    running.add(asyncio.create_task(respond(index, finished.result())))
                    index += 1
                except StopAsyncIteration:
                    ended = True
            for task in [task for task in running if task in done]:
                running.discard(task)
                yield task.result()
    finally:
        unfinished: list[asyncio.Task[Any]] = [*running, *([reading] if reading is not None else [])]
        for unfinished_task in unfinished:
            unfinished_task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
