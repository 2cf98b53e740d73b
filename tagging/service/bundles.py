"""The bundles that a service holds: one that answers, the one before it, and one that tags in its shadow.

Each stands under the tag edits and the labelled videos of the database, which it follows by their numbers. Switching
is giving another bundle to the calls that begin from then on: who began with one ends with it, and it is closed after
the last of them.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tagging.edits.edit import Edit, NumberedEdit
from tagging.edits.history import History
from tagging.edits.tags import CatalogIndex, EditedTags
from tagging.errors import (
    ArtifactCorruptError,
    ArtifactNotFoundError,
    BackendUnavailableError,
    BusyError,
    ConflictError,
    InvalidConfigError,
    InvalidVideoError,
)
from tagging.pipeline import Tagger, load_tagger
from tagging.places import default_bundle
from tagging.service.model import ModelThread
from tagging.stages import Stage, Stages, untimed
from tagging.store.bundle import MANIFEST, BundleManifest, read_manifest
from tagging.store.database.labelled_videos import LabelledLog, LabelledRecord
from tagging.store.database.log import Entry as Numbered
from tagging.store.database.tag_edits import TagEdit, TagEdits
from tagging.store.latecomers import Departure, Entry, from_bytes
from tagging.types import VideoRef
from tagging.unbroken import Unbroken

logger = logging.getLogger(__name__)

LABELLED_AT_ONCE = 100  # calls wait for so many to join

Run = Callable[[Callable[[], Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A bundle as one call sees it."""

    tagger: Tagger
    tags: EditedTags
    version: str
    last_edit: int


class WhileAnswering:
    """Stages of a bundle, which are timed where it answers; a shadow's would be taken for those of calls."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self.answers = False

    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        return self._stages(stage) if self.answers else untimed(stage)


class Held:
    """One bundle in memory."""

    def __init__(
        self, folder: Path, manifest: BundleManifest, tagger: Tagger, since: datetime, timed: "WhileAnswering"
    ) -> None:
        """tagger: of the bundle as it was made; timed: what it tells of its stages"""
        self.folder = folder
        self.manifest = manifest
        self.since = since
        self.timed = timed
        self._first = tagger
        self._history = History.over(CatalogIndex(tagger.catalog))
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
    def now(self) -> Moment:
        return Moment(self._tagger, self._history.tags, self.manifest.version, self._history.last)

    @property
    def history(self) -> History:
        return self._history

    def has_labelled(self, video_id: str) -> bool:
        """Whether a labelled video votes here, or would in a bundle that has its tags."""
        return video_id in self._labelled or self._tagger.has_labelled(video_id)

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Moment]:
        """The bundle as it is now, not closed before the context ends."""
        self._users += 1
        try:
            yield self.now
        finally:
            self._users -= 1
            await self._close_if_unused()

    async def let_go(self) -> None:
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

    def _edited(self, more: list[NumberedEdit]) -> tuple[Tagger, History]:
        history = self._history.then(more)
        return self._first.edited(history.tags), history

    async def _close_if_unused(self) -> None:
        if self._let_go and not self._users:
            self._let_go = False  # once
            await asyncio.to_thread(self._first.close)


class Bundles:
    """Of one event loop. `start` before anything else.

    What it has begun it ends, also for a caller that went: nobody else is to find a bundle half loaded, or videos that
    join while nobody knows.
    """

    def __init__(
        self,
        root: Path | None,
        model: ModelThread,
        edits: TagEdits,
        labelled: LabelledLog,
        clock: Callable[[], datetime],
        stages: Stages = untimed,
    ) -> None:
        """root: the folder whose bundles may be activated; None: none may"""
        self._root = root
        self._model = model
        self._stages = stages
        self._edits = edits
        self._labelled = labelled
        self._clock = clock
        self._loading = asyncio.Lock()
        self._reading_on = asyncio.Lock()
        self._about_to_read_on: asyncio.Task[None] | None = None
        self._unbroken = Unbroken()
        self._active: Held | None = None
        self.previous: Held | None = None
        self.shadow: Held | None = None

    async def start(self, folder: Path) -> None:
        """Load the bundle that answers first; raises what load_tagger does."""
        self._active = await self._load(folder.resolve())
        self._active.timed.answers = True

    @property
    def active(self) -> Held:
        if self._active is None:
            raise BackendUnavailableError("no bundle is loaded yet", "wait until the service's health is SERVING")
        return self._active

    async def close(self) -> None:
        await self._unbroken.rest()
        for held in self._all():
            await held.let_go()

    async def follow(self) -> None:
        """All bundles read on in the logs; others may have written, too.

        One at a time reads, and all who ask meanwhile wait for the next one together: with a database that hangs they
        would wait for its every try, one after the other.
        """
        if self._about_to_read_on is None:
            self._about_to_read_on = self._unbroken.start(self._follow())
        await asyncio.shield(self._about_to_read_on)

    async def activate(self, folder: str | None, version: str | None) -> None:
        """Let the bundle of a folder, or of a version, answer the calls that begin from now on.

        Raises ArtifactNotFoundError and what load_tagger raises, BusyError while another one is being loaded.
        """
        await self._unbroken.run(self._activate(folder, version))

    async def cast(self, folder: str | None, version: str | None) -> None:
        """Let a bundle tag in the shadow of the active one; with neither given, none. Raises as `activate` does,
        and ConflictError for the active one.
        """
        await self._unbroken.run(self._cast(folder, version))

    async def _follow(self) -> None:
        async with self._reading_on:
            self._about_to_read_on = None  # what is written from here on may be missed
            for held in self._all():
                await held.follow(self._edits, self._labelled, self._model.run)

    async def _activate(self, folder: str | None, version: str | None) -> None:
        async with self._one_at_a_time():
            wanted = await asyncio.to_thread(self._find, folder, version)
            if wanted is self.active:
                return
            held = wanted if isinstance(wanted, Held) else await self._load(wanted)
            try:
                await held.follow(self._edits, self._labelled, self._model.run)
            except BaseException:
                await self._let_go_of([held])
                raise
            before = self._all()
            held.since, held.timed.answers = self._clock(), True
            self._active, self.previous = held, self.active
            if self.shadow is not None and self.shadow.manifest.version == held.manifest.version:
                self.shadow = None  # it is the active one now, or the same as that
            logger.info("bundle activated", extra={"version": held.manifest.version})
            await self._let_go_of(before)

    async def _cast(self, folder: str | None, version: str | None) -> None:
        async with self._one_at_a_time():
            held: Held | None = None
            if folder is not None or version is not None:
                wanted = await asyncio.to_thread(self._find, folder, version)
                if wanted is self.active:
                    raise ConflictError("the active bundle would be its own shadow", "name another")
                if wanted is self.shadow:
                    return
                held = await self._load(wanted.folder if isinstance(wanted, Held) else wanted)
            before, self.shadow = self._all(), held
            await self._let_go_of(before)

    async def _let_go_of(self, some: Iterable[Held]) -> None:
        """Those that have no role any more."""
        for held in some:
            if held not in self._all():
                await held.let_go()

    async def _load(self, folder: Path) -> Held:
        timed = WhileAnswering(self._stages)
        tagger = await asyncio.to_thread(load_tagger, folder, timed)
        try:
            manifest = await asyncio.to_thread(_unchanged, folder, tagger.bundle_version)
        except BaseException:
            await asyncio.to_thread(tagger.close)
            raise
        held = Held(folder, manifest, tagger, self._clock(), timed)
        try:
            await asyncio.to_thread(_warm, tagger)
            await held.follow(self._edits, self._labelled, asyncio.to_thread)  # nobody else uses it yet
        except BaseException:
            await held.let_go()
            raise
        return held

    @property
    def versions(self) -> dict[str, str]:
        """Of the bundles that are held, by role."""
        roles = {"active": self._active, "previous": self.previous, "shadow": self.shadow}
        return {role: held.manifest.version for role, held in roles.items() if held is not None}

    def _find(self, folder: str | None, version: str | None) -> Held | Path:
        """One that is held, or where it lies. Its version says which it is: a folder may be replaced meanwhile."""
        for held in self._all():
            if version is not None and held.manifest.version == version:
                return held
        if self._root is None:
            raise ArtifactNotFoundError(
                "this service has no folder of bundles", 'start it with service.bundles = "FOLDER"'
            )
        try:
            if folder is not None:
                place = self._root / folder
                if not (place / MANIFEST).is_file():
                    raise ArtifactNotFoundError(f"there is no bundle {folder!r}", "GetBundle says which are held")
                found = place.resolve(), _version_of(place)
                return next((one for one in self._all() if (one.folder, one.manifest.version) == found), found[0])
            for place in sorted(self._root.iterdir()):
                if _version_of(place) == version:
                    return place.resolve()
        except OSError as error:  # its disk is gone, or its rights
            raise InvalidConfigError(
                f"the folder of bundles cannot be read: {error.strerror}", "mount it, or give this user the right"
            ) from error
        raise ArtifactNotFoundError(f"there is no bundle of version {version!r}", "GetBundle says which are held")

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncIterator[None]:
        if self._loading.locked():
            raise BusyError("another bundle is being loaded", "try again when it is")
        async with self._loading:
            yield

    def _all(self) -> list[Held]:
        return [held for held in (self._active, self.previous, self.shadow) if held is not None]


def _unchanged(folder: Path, version: str) -> BundleManifest:
    """The manifest of a bundle that was just loaded, every file checked again: what was loaded is what was checked."""
    manifest = read_manifest(folder)
    if manifest.version != version:
        raise ArtifactCorruptError(
            f"{folder} became another bundle, {manifest.version}, while {version} was loaded", "try again"
        )
    return manifest


def _warm(tagger: Tagger) -> None:
    """What the first call would wait for."""
    tagger.warm()
    with suppress(InvalidVideoError):  # of a bundle that reads no text
        tagger.tag(VideoRef("warm", title="a video to warm up with"), tagger.selection(None))


def _edit(record: TagEdit) -> Edit:
    return Edit(record.kind, record.tag_id, record.before, record.after, record.undoes)


def _readable(one: Numbered[LabelledRecord]) -> Iterator[tuple[str, Entry]]:
    """What a record says of its video. Nothing for one that cannot be read: all others are to vote all the same."""
    record = one.record
    try:
        entry = from_bytes(record.payload, "it") if record.kind == "added" else Departure(record.video_id)
    except ArtifactCorruptError as error:
        logger.error(
            "a labelled video cannot be read and does not vote: add it again, or run the newer videotag that wrote it",
            extra={"number": one.number, "video_id": record.video_id, "why": error.message},
        )
    else:
        yield record.video_id, entry


def _version_of(folder: Path) -> str | None:
    """As its manifest states it; None for a folder that is no bundle."""
    with suppress(OSError, ValueError):
        tree = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(tree, dict) and isinstance(tree.get("version"), str):
            return str(tree["version"])
    return None
