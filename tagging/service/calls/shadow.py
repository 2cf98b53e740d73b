"""Shadow tagging: the shadow bundle tags the same videos when there is time; its answers are stored, never returned."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tagging.errors import VideotagError
from tagging.media.read_ahead import ReadVideo
from tagging.service.bundles.loaded_bundle import LoadedBundle
from tagging.service.inference.inference import Inference
from tagging.store.database.taggings import Tagging, Taggings

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ShadowCounts:
    """Numbers of videos that the shadow bundle was offered and has no answer for."""

    failures: int = 0  # the active bundle could tag them
    left_out: int = 0  # the queue was full


class Shadow:
    """The queue of videos for the shadow bundle. Belongs to one event loop."""

    def __init__(self, inference: Inference, taggings: Taggings, waiting: int, clock: Callable[[], datetime]) -> None:
        """waiting: the most videos that wait, with their media"""
        self._inference = inference
        self._bundles = inference.bundles
        self._taggings = taggings
        self._clock = clock
        self._queue: asyncio.Queue[tuple[ReadVideo, Tagging] | None] = asyncio.Queue(waiting + 1)
        self._waiting = waiting
        self._counts: dict[str, ShadowCounts] = {}
        self._task = asyncio.create_task(self._work())

    def counts(self, version: str) -> ShadowCounts:
        """The counts of a bundle since the service started."""
        return self._counts.setdefault(version, ShadowCounts())

    def offer(self, read: ReadVideo, tagging: Tagging) -> None:
        """Queue a video and the active bundle's answer; without a shadow bundle do nothing."""
        if self._bundles.shadow is None:
            return
        if self._queue.qsize() < self._waiting:
            self._queue.put_nowait((read, tagging))
        else:
            self.counts(self._bundles.shadow.version).left_out += 1
            logger.warning("too many videos wait for the shadow bundle, one is left out of the churn")

    async def close(self) -> None:
        """Stop after the video in progress; leave out those that wait."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)
        await self._task

    async def _work(self) -> None:
        while (offered := await self._queue.get()) is not None:
            bundle = self._bundles.shadow
            if bundle is None:
                continue
            try:
                await self._tag(bundle, *offered)
            except VideotagError as error:
                self.counts(bundle.version).failures += 1
                logger.warning("the shadow bundle could not tag a video: %s", error.message)
            except Exception:  # a shadow bundle must not end the task that feeds it
                self.counts(bundle.version).failures += 1
                logger.exception("unexpected error of the shadow bundle")

    async def _tag(self, bundle: LoadedBundle, read: ReadVideo, tagging: Tagging) -> None:
        async with bundle.use() as snapshot:
            answer = await self._inference.tag_in_shadow(snapshot.tagger, read, tagging.key.options)
        key = replace(tagging.key, bundle_version=snapshot.version, role="shadow")
        await self._taggings.put(Tagging(key, tagging.video, answer, self._clock(), snapshot.last_edit))
