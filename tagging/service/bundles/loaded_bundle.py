"""The bundles that a service holds: one that answers, the one before it, and one that tags in its shadow.

Each stands under the tag edits and the labelled videos of the database, which it follows by their numbers. Switching
is giving another bundle to the calls that begin from then on: who began with one ends with it, and it is closed after
the last of them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tagging.bundle.manifest import BundleManifest
from tagging.errors import ArtifactCorruptError
from tagging.paths import default_bundle
from tagging.pipeline.stages import Stage, Stages, untimed
from tagging.pipeline.tagger import Tagger
from tagging.store.database.labelled_videos import LabelledLog, LabelledRecord
from tagging.store.database.log import Numbered
from tagging.store.database.tag_edits import TagEdit, TagEdits
from tagging.store.labelled_log import LabelledUpdate, RemovedVideo, from_bytes
from tagging.tags.edits.edit import Edit, NumberedEdit
from tagging.tags.edits.edited_catalog import CatalogIndex, EditedCatalog
from tagging.tags.edits.history import EditHistory

logger = logging.getLogger(__name__)


LABELLED_AT_ONCE = 100  # calls wait for so many to join


Run = Callable[[Callable[[], Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A bundle as one call sees it."""

    tagger: Tagger
    tags: EditedCatalog
    version: str
    last_edit: int


class ActiveOnlyStages:
    """Stages of a bundle, which are timed where it answers; a shadow's would be taken for those of calls."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self.answers = False

    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        return self._stages(stage) if self.answers else untimed(stage)


class LoadedBundle:
    """One bundle in memory."""

    def __init__(
        self, folder: Path, manifest: BundleManifest, tagger: Tagger, since: datetime, timed: "ActiveOnlyStages"
    ) -> None:
        """tagger: of the bundle as it was made; timed: what it tells of its stages"""
        self.folder = folder
        self.manifest = manifest
        self.since = since
        self.timed = timed
        self._first = tagger
        self._history = EditHistory.over(CatalogIndex(tagger.catalog))
        self._tagger = tagger
        self._labelled_seen = 0
        self._labelled: set[str] = set()  # videos that the log holds, whether or not they can vote in this bundle
        self._following = asyncio.Lock()
        self._users = 0
        self._let_go = False

    @property
    def name(self) -> str:
        """The folder's, as clients name it; empty for the bundle that comes with videotag."""
        return "" if self.folder == default_bundle() else self.folder.name

    @property
    def now(self) -> Snapshot:
        return Snapshot(self._tagger, self._history.tags, self.manifest.version, self._history.last)

    @property
    def history(self) -> EditHistory:
        return self._history

    def has_labelled(self, video_id: str) -> bool:
        """Whether a labelled video votes here, or would in a bundle that has its tags."""
        return video_id in self._labelled or self._tagger.has_labelled(video_id)

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Snapshot]:
        """The bundle as it is now, not closed before the context ends."""
        self._users += 1
        try:
            yield self.now
        finally:
            self._users -= 1
            await self._close_if_unused()

    async def release(self) -> None:
        """To be closed as soon as nobody uses it."""
        self._let_go = True
        await self._close_if_unused()

    async def follow(self, edits: TagEdits, labelled: LabelledLog, run: Run) -> None:
        """Read on in both logs to their ends.

        run: where the models are used; tokenizers are not for two threads
        """
        async with self._following:
            while True:
                # Before the edits: a video that was read after them could have tags that are younger, and no votes.
                page = await labelled.after(self._labelled_seen, LABELLED_AT_ONCE)
                more = [entry async for entry in edits.all_after(self._history.last)]
                if more:
                    numbered = [NumberedEdit(entry.number, _edit(entry.record)) for entry in more]
                    self._tagger, self._history = await run(partial(self._edited, numbered))
                if not page:
                    return
                latest = {video_id: entry for one in page for video_id, entry in _readable(one)}
                await run(partial(self._tagger.join, latest))
                for one in page:
                    if one.record.kind == "added":
                        self._labelled.add(one.record.video_id)
                    else:
                        self._labelled.discard(one.record.video_id)
                self._labelled_seen = page[-1].number

    def _edited(self, more: list[NumberedEdit]) -> tuple[Tagger, EditHistory]:
        history = self._history.then(more)
        return self._first.edited(history.tags), history

    async def _close_if_unused(self) -> None:
        if self._let_go and not self._users:
            self._let_go = False  # once
            await asyncio.to_thread(self._first.close)


def _edit(record: TagEdit) -> Edit:
    return Edit(record.kind, record.tag_id, record.before, record.after, record.undoes)


def _readable(one: Numbered[LabelledRecord]) -> Iterator[tuple[str, LabelledUpdate]]:
    """What a record says of its video. Nothing for one that cannot be read: all others are to vote all the same."""
    record = one.record
    try:
        entry = from_bytes(record.payload, "it") if record.kind == "added" else RemovedVideo(record.video_id)
    except ArtifactCorruptError as error:
        logger.error(
            "a labelled video cannot be read and does not vote: add it again, or run the newer videotag that wrote it",
            extra={"number": one.number, "video_id": record.video_id, "why": error.message},
        )
    else:
        yield record.video_id, entry
