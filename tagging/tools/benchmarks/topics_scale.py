"""Processor time and memory of learning topics, of a pool as it is or grown to many more videos.

A grown video has a video of the pool as its parent and shares its tags and categories; its embeddings lie between
those of the parent and of a neighbour (tagging/bench/embeddings.py), and its uploader is a copy of the parent's. The
number of videos grows, that of tags does not; the time is measured, not the topics.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tagging.bench.embeddings import between
from tagging.bench.memory import PeakMemory, now_mib
from tagging.config.topics import TopicsConfig
from tagging.progress import Advance, Progress
from tagging.topics.learn import learn_topics
from tagging.topics.pool import Pool
from tagging.types import FloatRows, VideoEmbeddings


@dataclass(slots=True)
class Clock:
    """Reports to another progress, and sums the processor time of each piece of work."""

    shown: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def track(self, label: str, total: int | None) -> Iterator[Advance]:
        started = time.process_time()
        with self.shown.track(label, total) as advance:
            yield advance
        self.seconds[label] = self.seconds.get(label, 0.0) + time.process_time() - started


def topics_scale(pool: Pool, config: TopicsConfig, progress: Progress) -> dict[str, list[dict[str, Any]]]:
    """Learn topics of a pool; return its size, the processor seconds of each stage, and memory."""
    clock, before = Clock(progress), now_mib()
    started = time.process_time()
    with PeakMemory(os.getpid()) as memory:
        learnt = learn_topics(pool, config, clock)
    total = time.process_time() - started
    stages = {**clock.seconds, "all else": total - sum(clock.seconds.values()), "total": total}
    sizes = {
        "videos": len(pool),
        "tags": len(learnt.model.space.catalog),
        "tags that say nothing": len(learnt.left_out),
        "topics": len(learnt.model.topics),
        "MiB before": round(before),
        "MiB at most": round(memory.peak_mib),
    }
    return {
        "Size": [{"": name, "count": count} for name, count in sizes.items()],
        "Processor time": [{"stage": stage, "s": round(seconds, 1)} for stage, seconds in stages.items()],
    }


def grown_pool(pool: Pool, count: int, generator: np.random.Generator) -> Pool:
    """Return the pool with grown videos after its own, up to `count`."""
    parents = generator.integers(0, len(pool), max(0, count - len(pool)))
    rows: list[dict[str, FloatRows]] = [{} for _ in parents]
    for modality in sorted({name for video in pool.embeddings for name in video.rows}):
        has = np.array([modality in video.rows for video in pool.embeddings])
        number = np.cumsum(has) - 1
        real = np.stack([video.rows[modality] for video in pool.embeddings if modality in video.rows])
        children = np.flatnonzero(has[parents])
        for child, row in zip(children.tolist(), between(real, number[parents[children]], generator), strict=True):
            rows[child][modality] = row
    videos = []
    for child, parent in enumerate(parents.tolist()):
        video, copy = pool.videos[parent], child // len(pool)
        uploader = video.video.uploader_id
        ref = replace(
            video.video,
            video_id=f"{video.video.video_id}+{child}",
            uploader_id=None if uploader is None else f"{uploader}+{copy}",
        )
        videos.append(replace(video, video=ref))
    return Pool([*pool.videos, *videos], [*pool.embeddings, *(VideoEmbeddings(found) for found in rows)])
