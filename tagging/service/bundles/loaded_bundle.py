"""Loaded bundle: a bundle in memory that follows the logs of tag edits and of labelled videos."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tagging.bundle.manifest import BundleManifest
from tagging.errors import ArtifactCorruptError, InvalidVideoError
from tagging.paths import default_bundle
from tagging.pipeline.class_links import load_linker
from tagging.pipeline.labelled_updates import apply_updates
from tagging.pipeline.stages import Stage, Stages, untimed
from tagging.pipeline.tag_overlay import TagOverlay
from tagging.pipeline.tagger import Tagger
from tagging.store.database.labelled_videos import LabelledLog, LabelledRecord
from tagging.store.database.tag_edits import TagEdits
from tagging.store.labelled_log import LabelledUpdate
from tagging.tags.edits.catalog_index import CatalogIndex
from tagging.tags.edits.edit import TagEdit
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.tags.edits.history import EditHistory
from tagging.types import Numbered, VideoRef

logger = logging.getLogger(__name__)

UPDATES_AT_ONCE = 100  # labelled videos that are applied in one turn of the models; calls wait for that turn

RunInTurn = Callable[[Callable[[], Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A bundle as one call sees it, unaffected by later edits."""

    tagger: Tagger
    tags: EditedCatalog
    version: str
    last_edit: int  # number; 0 for none


@dataclass(frozen=True, slots=True, eq=False)
class UpdateLogs:
    """The logs that every loaded bundle follows."""

    edits: TagEdits
    labelled: LabelledLog


@dataclass(frozen=True, slots=True)
class DecodeWorkers:
    """Numbers of decode processes."""

    alive: int
    killed: int  # since the bundle was loaded


class ActiveOnlyStages:
    """Stage timing that is off until the bundle is active: a shadow's stages would be counted as those of calls."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self.is_active = False

    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        return self._stages(stage) if self.is_active else untimed(stage)


class LoadedBundle:
    """One bundle in memory, with its place in both logs."""

    def __init__(
        self, folder: Path, manifest: BundleManifest, tagger: Tagger, since: datetime, stages: ActiveOnlyStages
    ) -> None:
        """tagger: of the bundle without edits; since: when the bundle took its role; stages: those of the tagger"""
        self.folder = folder
        self.manifest = manifest
        self.since = since
        self.stages = stages
        self._unedited = tagger
        self._tagger = tagger
        models = tagger.models
        linker = partial(load_linker, folder, manifest, models.encoders, models.recall_stage.catalog)
        self._overlay = TagOverlay(models, linker)
        self._history = EditHistory.over(CatalogIndex(models.recall_stage.catalog))
        self._labelled_seen = 0  # number of the last entry that was applied
        self._labelled_ids: set[str] = set()  # videos that the log adds, whether or not they can vote in this bundle
        self._following = asyncio.Lock()
        self._users = 0
        self._released = False

    @property
    def name(self) -> str:
        """The folder's name, as clients refer to it; empty for the bundle that comes with videotag."""
        return "" if self.folder == default_bundle() else self.folder.name

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def snapshot(self) -> Snapshot:
        """The bundle as it is now."""
        return Snapshot(self._tagger, self._history.tags, self.version, self._history.last)

    @property
    def history(self) -> EditHistory:
        return self._history

    @property
    def last_edit(self) -> int:
        """The number of the last tag edit that was applied; 0 for none."""
        return self._history.last

    @property
    def labelled_videos(self) -> int:
        """The number of labelled videos that vote."""
        return self._tagger.models.recall_stage.labelled_videos

    @property
    def decode_workers(self) -> DecodeWorkers:
        decoder = self._unedited.decoder
        return DecodeWorkers(0, 0) if decoder is None else DecodeWorkers(decoder.alive, decoder.killed)

    def has_labelled(self, video_id: str) -> bool:
        """Return True if a labelled video votes here, or would in a bundle that has its tags."""
        return video_id in self._labelled_ids or self._tagger.models.recall_stage.has_labelled(video_id)

    def warm(self) -> None:
        """Do the one-time work that the first call and the first edit would otherwise wait for."""
        self._overlay.warm()
        with suppress(InvalidVideoError):  # of a bundle that reads no text
            self._tagger.tag(VideoRef("warm", title="a video to warm up with"), self._tagger.selection(None))

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Snapshot]:
        """Keep the bundle open while the context lasts; yields the bundle as it is now."""
        self._users += 1
        try:
            yield self.snapshot
        finally:
            self._users -= 1
            await self._close_if_unused()

    async def release(self) -> None:
        """Close the bundle as soon as no call uses it."""
        self._released = True
        await self._close_if_unused()

    async def follow(self, logs: UpdateLogs, run: RunInTurn) -> None:
        """Apply the entries that were appended to both logs since the last time.

        run: runs a function while no video is in recall and rank, which it changes
        """
        async with self._following:
            while True:
                # Videos are read before edits: one that was read after them could have tags that are younger than
                # the edits that were read, and would get no votes for them.
                page = await logs.labelled.after(self._labelled_seen, UPDATES_AT_ONCE)
                edits = [entry async for entry in logs.edits.all_after(self._history.last)]
                if edits:
                    self._tagger, self._history = await run(partial(self._with_edits, edits))
                if not page:
                    return
                await run(partial(self._apply, page))
                for entry in page:
                    if entry.record.kind == "added":
                        self._labelled_ids.add(entry.record.video_id)
                    else:
                        self._labelled_ids.discard(entry.record.video_id)
                self._labelled_seen = page[-1].number

    def _with_edits(self, edits: Sequence[Numbered[TagEdit]]) -> tuple[Tagger, EditHistory]:
        history = self._history.then(edits)
        return self._unedited.with_models(self._overlay.edited(history.tags)), history

    def _apply(self, page: Sequence[Numbered[LabelledRecord]]) -> None:
        models = self._tagger.models
        apply_updates(models.recall_stage, _last_updates(page), models.encoders.fingerprints())

    async def _close_if_unused(self) -> None:
        if self._released and not self._users:
            self._released = False  # close once
            await asyncio.to_thread(self._unedited.close)


def _last_updates(page: Sequence[Numbered[LabelledRecord]]) -> dict[str, LabelledUpdate]:
    """The last update of each video; an update that cannot be read is logged, so that all others still vote."""
    updates: dict[str, LabelledUpdate] = {}
    for entry in page:
        try:
            updates[entry.record.video_id] = entry.record.update()
        except ArtifactCorruptError as error:
            logger.error(
                "a labelled video cannot be read and does not vote: add it again, or run the newer videotag that "
                "wrote it",
                extra={"number": entry.number, "video_id": entry.record.video_id, "why": error.message},
            )
    return updates
