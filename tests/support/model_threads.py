"""Model threads under test: a tagger whose stages call a function, videos to tag, and stages that wait."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pytest

from tagging import concurrency
from tagging.config.root import SelectConfig
from tagging.errors import BackendUnavailableError
from tagging.media.read_ahead import ReadVideo
from tagging.service.inference.model_threads import ModelThreads
from tagging.types import Frames, MediaSample, RankedTags, VideoRef

CLIP = MediaSample("", 1.0, Frames(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1)), None)
StageName = Literal["encode", "score"]
in_each_stage = pytest.mark.parametrize("stage", ["encode", "score"])


class StagedTagger:
    """A tagger whose stages call a function: with the name of the stage and the ids of its videos."""

    def __init__(self, on_stage: Callable[[StageName, list[str]], None] = lambda stage, ids: None) -> None:
        self._on_stage = on_stage
        self.batches: list[tuple[StageName, list[str]]] = []

    def encode(self, videos: Sequence[ReadVideo]) -> list[str]:
        return self._stage("encode", [video.video.video_id for video in videos])

    def tag_encoded(self, videos: Sequence[str], selections: Sequence[SelectConfig]) -> list[RankedTags]:
        assert len(videos) == len(selections)
        return [RankedTags(video_id, (), (), (), "b") for video_id in self._stage("score", list(videos))]

    def _stage(self, stage: StageName, video_ids: list[str]) -> list[str]:
        self.batches.append((stage, video_ids))
        self._on_stage(stage, video_ids)
        return video_ids

    def videos(self, stage: StageName) -> list[str]:
        return [video_id for found, video_ids in self.batches if found == stage for video_id in video_ids]


def video(video_id: str) -> ReadVideo:
    """Return a video, which has media if its id is in upper case."""
    return ReadVideo(VideoRef(video_id, title="a title"), CLIP if video_id.isupper() else None)


async def call(model: ModelThreads, tagger: Any, time_left_s: float | None = None, video_id: str = "a") -> RankedTags:
    """Tag a video."""
    concurrency.set_deadline(time_left_s)
    return await model.tag(tagger, video(video_id), SelectConfig())


def calls_of(model: ModelThreads, tagger: Any, video_ids: str) -> list["asyncio.Task[RankedTags]"]:
    return [asyncio.create_task(call(model, tagger, video_id=video_id)) for video_id in video_ids]


async def happened(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 60)


class HeldMedia:
    """A tagger's stage that holds the first batch with media in the encoders until it is released."""

    def __init__(self) -> None:
        self.encoding, self.release = threading.Event(), threading.Event()

    def __call__(self, stage: StageName, video_ids: list[str]) -> None:
        if stage == "encode" and video_ids[0].isupper():
            self.encoding.set()
            assert self.release.wait(60)


class Waiting:
    """The work of one stage that waits, for one video, until its batch is cancelled; records the batch's deadline."""

    def __init__(self, stage: StageName, video_id: str) -> None:
        self._at = stage, video_id
        self.deadline_s: float | None = None
        self.began, self.cancelled = threading.Event(), threading.Event()

    def __call__(self, stage: StageName, video_ids: list[str]) -> None:
        if self._at[0] == stage and self._at[1] in video_ids:
            cancellation = concurrency.cancellation()
            assert cancellation is not None
            with cancellation.calling(self.cancelled.set):
                self.deadline_s = concurrency.time_left_s()
                self.began.set()
                assert self.cancelled.wait(60)
            raise BackendUnavailableError("away")
