"""Load generator: throughput and latency of a service, and its overhead over the pipeline in this process."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
import numpy as np
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import InvalidManifestError
from tagging.pipeline.tagger import Tagger
from tagging.types import VideoRef

FROM_STORE = "answered from the store"  # such a call tags nothing, so it counts as an error

TagVideo = Callable[[pb.TagVideoRequest], Awaitable[pb.TagVideoResponse]]
Row = dict[str, Any]


@dataclass(slots=True)
class Load:
    """Latencies and errors of calls."""

    seconds: float = 0.0
    ms: list[float] = field(default_factory=list)  # latencies of the calls that succeeded
    errors: Counter[str] = field(default_factory=Counter)  # number by status code

    def __add__(self, later: "Load") -> "Load":
        return Load(self.seconds + later.seconds, self.ms + later.ms, self.errors + later.errors)

    def row(self) -> Row:
        errors = ", ".join(f"{count} {code}" for code, count in sorted(self.errors.items()))
        return {"calls/s": round(len(self.ms) / self.seconds, 1), **percentiles(self.ms), "errors": errors or "none"}


def requests(videos: Sequence[VideoRef]) -> Iterator[pb.TagVideoRequest]:
    """Yield requests for the videos in turn, endlessly, each under a new id, so that none is in the store.

    Raises InvalidManifestError if there are no videos.
    """
    if not videos:
        raise InvalidManifestError("no videos to tag, expected at least one")
    run, number = uuid4().hex, 0
    while True:
        for video in videos:
            request = pb.TagVideoRequest(video_id=f"{run}-{number}", title=video.title, description=video.description)
            if video.uri is not None:
                request.uri = video.uri
            if video.uploader_id is not None:
                request.uploader_id = video.uploader_id
            yield request
            number += 1


async def drive(tag: TagVideo, request_stream: Iterator[pb.TagVideoRequest], concurrency: int, seconds: float) -> Load:
    """Drive a service with `concurrency` callers; each sends its next request when the last one is answered."""
    load = Load()
    began = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - began < seconds:
            request, sent = next(request_stream), time.perf_counter()
            try:
                answer = await tag(request)
            except grpc.aio.AioRpcError as error:
                load.errors[error.code().name] += 1
                continue
            load.ms.append(1e3 * (time.perf_counter() - sent))
            if answer.from_store:
                load.errors[FROM_STORE] += 1

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    load.seconds = time.perf_counter() - began
    return load


async def overhead(
    tag: TagVideo, tagger: Tagger, request_stream: Iterator[pb.TagVideoRequest], pairs: int, warm: int
) -> list[Row]:
    """Tag the same videos by a call and by the pipeline in this process, in turn, and compare the times.

    warm: pairs that run before those that are counted
    """
    selection = tagger.selection(None)
    called: list[float] = []
    alone: list[float] = []
    for number in range(warm + pairs):
        request = next(request_stream)
        video = _video(request)
        # The second run finds warm caches, so the order alternates.
        for is_call in (True, False) if number % 2 else (False, True):
            began = time.perf_counter()
            if is_call:
                await tag(request)
            else:
                tagger.tag(video, selection)
            (called if is_call else alone).append(1e3 * (time.perf_counter() - began))
    differences = [call - run for call, run in zip(called[warm:], alone[warm:], strict=True)]
    low, high = median_interval(differences)
    return [
        {"one at a time": "TagVideo", **percentiles(called[warm:]), "p50 within": ""},
        {"one at a time": "the pipeline in process", **percentiles(alone[warm:]), "p50 within": ""},
        {
            "one at a time": "difference, pair by pair",
            **percentiles(differences),
            "p50 within": f"{low:.2f} to {high:.2f}",
        },
    ]


def percentiles(ms: Sequence[float]) -> Row:
    """Return the 50th, 95th and 99th percentile in milliseconds; None without values."""
    return {f"p{share} ms": round(float(np.percentile(ms, share)), 2) if ms else None for share in (50, 95, 99)}


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return a 95 % confidence interval of the median: two of the values, by the binomial of their ranks."""
    ordered, half = sorted(values), 0.98 * len(values) ** 0.5
    low, high = int(len(ordered) / 2 - half), int(np.ceil(len(ordered) / 2 + half))
    return ordered[max(low, 0)], ordered[min(high, len(ordered) - 1)]


def _video(request: pb.TagVideoRequest) -> VideoRef:
    return VideoRef(
        request.video_id,
        request.uri if request.HasField("uri") else None,
        request.title,
        request.description,
        request.uploader_id if request.HasField("uploader_id") else None,
    )
