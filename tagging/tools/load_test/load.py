"""Load on a service: how many calls it answers, how long each waits, and what that is beside the pipeline alone."""

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

FROM_STORE = "answered from the store"  # which would be no tagging, and is counted as an error

TagVideo = Callable[[pb.TagVideoRequest], Awaitable[pb.TagVideoResponse]]
Row = dict[str, Any]


@dataclass(slots=True)
class Load:
    """What became of calls."""

    seconds: float = 0.0
    ms: list[float] = field(default_factory=list)  # of those that were answered
    errors: Counter[str] = field(default_factory=Counter)  # by status

    def __add__(self, later: "Load") -> "Load":
        return Load(self.seconds + later.seconds, self.ms + later.ms, self.errors + later.errors)

    def row(self) -> Row:
        errors = ", ".join(f"{count} {code}" for code, count in sorted(self.errors.items()))
        return {"calls/s": round(len(self.ms) / self.seconds, 1), **percentiles(self.ms), "errors": errors or "none"}


def requests(videos: Sequence[VideoRef]) -> Iterator[pb.TagVideoRequest]:
    """The videos again and again without an end, each time under an id that nobody had: none is in the store."""
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


async def drive(tag: TagVideo, asked: Iterator[pb.TagVideoRequest], concurrency: int, seconds: float) -> Load:
    """So many callers, each of whom sends its next request when the last is answered."""
    load = Load()
    began = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - began < seconds:
            request, sent = next(asked), time.perf_counter()
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
    tag: TagVideo, tagger: Tagger, asked: Iterator[pb.TagVideoRequest], pairs: int, warm: int
) -> list[Row]:
    """The same videos by a call and by the pipeline in this process, in turn, and what the call takes longer.

    warm: pairs that are done before those that count
    """
    selection = tagger.selection(None)
    called: list[float] = []
    alone: list[float] = []
    for number in range(warm + pairs):
        request = next(asked)
        video = _video(request)
        # Who goes second finds warm caches: they take turns in that, too.
        for is_call in (True, False) if number % 2 else (False, True):
            began = time.perf_counter()
            if is_call:
                await tag(request)
            else:
                tagger.tag(video, selection)
            (called if is_call else alone).append(1e3 * (time.perf_counter() - began))
    longer = [one - other for one, other in zip(called[warm:], alone[warm:], strict=True)]
    low, high = median_interval(longer)
    return [
        {"one at a time": "TagVideo", **percentiles(called[warm:]), "p50 within": ""},
        {"one at a time": "the pipeline in process", **percentiles(alone[warm:]), "p50 within": ""},
        {"one at a time": "longer, pair by pair", **percentiles(longer), "p50 within": f"{low:.2f} to {high:.2f}"},
    ]


def percentiles(ms: Sequence[float]) -> Row:
    return {f"p{share} ms": round(float(np.percentile(ms, share)), 2) if ms else None for share in (50, 95, 99)}


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median lies, 19 times in 20 or more: two of the values, by the binomial distribution of their ranks."""
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
