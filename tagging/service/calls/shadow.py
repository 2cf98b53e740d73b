"""What the shadow bundle would have answered: tagged when there is time, stored, and never given."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tagging.errors import VideotagError
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.stages import Stages
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.inference.model_thread import ModelThread
from tagging.store.database.taggings import Tagging, Taggings

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ShadowCounts:
    failures: int = 0  # videos that the active bundle could tag
    left_out: int = 0  # for there were too many


class Shadow:
    """Of one event loop."""

    def __init__(
        self,
        bundles: BundleRegistry,
        model: ModelThread,
        taggings: Taggings,
        waiting: int,
        stages: Stages,
        clock: Callable[[], datetime],
    ) -> None:
        """waiting: the most videos that wait, with their media"""
        self._bundles = bundles
        self._model = model
        self._taggings = taggings
        self._stages = stages
        self._clock = clock
        self._queue: asyncio.Queue[tuple[ReadVideo, Tagging] | None] = asyncio.Queue(waiting + 1)
        self._waiting = waiting
        self._counts: dict[str, ShadowCounts] = {}
        self._task = asyncio.create_task(self._work())

    def counts(self, version: str) -> ShadowCounts:
        """Of a bundle, since the service began."""
        return self._counts.setdefault(version, ShadowCounts())

    def offer(self, read: ReadVideo, given: Tagging) -> None:
        """A video, and what was answered."""
        if self._bundles.shadow is None:
            return
        if self._queue.qsize() < self._waiting:
            self._queue.put_nowait((read, given))
        else:
            self.counts(self._bundles.shadow.manifest.version).left_out += 1
            logger.warning("too many videos wait for the shadow bundle, one is left out of the churn")

    async def close(self) -> None:
        """Ends after the video that is being tagged; those that wait are left out."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)
        await self._task

    async def _work(self) -> None:
        while (offered := await self._queue.get()) is not None:
            read, given = offered
            held = self._bundles.shadow
            if held is None:
                continue
            try:
                async with held.used() as moment:
                    selection = await self._model.selection(moment.tagger, given.key.asked)
                    with self._stages("shadow"):
                        answer = await self._model.tag(moment.tagger, read, selection)
                key = replace(given.key, bundle_version=moment.version, role="shadow")
                await self._taggings.put(Tagging(key, given.video, answer, self._clock(), moment.last_edit))
            except VideotagError as error:
                self.counts(held.manifest.version).failures += 1
                logger.warning("the shadow bundle could not tag a video: %s", error.message)
            except Exception:
                self.counts(held.manifest.version).failures += 1
                logger.exception("the shadow bundle failed as nobody foresaw")
