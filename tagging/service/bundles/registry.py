"""The bundles that a service holds: one that answers, the one before it, and one that tags in its shadow.

Each stands under the tag edits and the labelled videos of the database, which it follows by their numbers. Switching
is giving another bundle to the calls that begin from then on: who began with one ends with it, and it is closed after
the last of them.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from tagging.bundle.files import read_manifest
from tagging.bundle.manifest import MANIFEST, BundleManifest
from tagging.concurrency import BackgroundTasks
from tagging.errors import (
    ArtifactCorruptError,
    ArtifactNotFoundError,
    BackendUnavailableError,
    BusyError,
    ConflictError,
    InvalidConfigError,
    InvalidVideoError,
)
from tagging.pipeline.load import load_tagger
from tagging.pipeline.stages import Stages, untimed
from tagging.pipeline.tagger import Tagger
from tagging.service.bundles.loaded_bundle import ActiveOnlyStages, LoadedBundle
from tagging.service.inference.model_thread import ModelThread
from tagging.store.database.labelled_videos import LabelledLog
from tagging.store.database.tag_edits import TagEdits
from tagging.types import VideoRef

logger = logging.getLogger(__name__)


class BundleRegistry:
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
        self._background = BackgroundTasks()
        self._active: LoadedBundle | None = None
        self.previous: LoadedBundle | None = None
        self.shadow: LoadedBundle | None = None

    async def start(self, folder: Path) -> None:
        """Load the bundle that answers first; raises what load_tagger does."""
        self._active = await self._load(folder.resolve())
        self._active.timed.answers = True

    @property
    def active(self) -> LoadedBundle:
        if self._active is None:
            raise BackendUnavailableError("no bundle is loaded yet", "wait until the service's health is SERVING")
        return self._active

    async def close(self) -> None:
        await self._background.wait_all()
        for held in self._all():
            await held.release()

    async def follow(self) -> None:
        """All bundles read on in the logs; others may have written, too.

        One at a time reads, and all who ask meanwhile wait for the next one together: with a database that hangs they
        would wait for its every try, one after the other.
        """
        if self._about_to_read_on is None:
            self._about_to_read_on = self._background.start(self._follow())
        await asyncio.shield(self._about_to_read_on)

    async def activate(self, folder: str | None, version: str | None) -> None:
        """Let the bundle of a folder, or of a version, answer the calls that begin from now on.

        Raises ArtifactNotFoundError and what load_tagger raises, BusyError while another one is being loaded.
        """
        await self._background.run(self._activate(folder, version))

    async def set_shadow(self, folder: str | None, version: str | None) -> None:
        """Let a bundle tag in the shadow of the active one; with neither given, none. Raises as `activate` does,
        and ConflictError for the active one.
        """
        await self._background.run(self._set_shadow(folder, version))

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
            held = wanted if isinstance(wanted, LoadedBundle) else await self._load(wanted)
            try:
                await held.follow(self._edits, self._labelled, self._model.run)
            except BaseException:
                await self._release([held])
                raise
            before = self._all()
            held.since, held.timed.answers = self._clock(), True
            self._active, self.previous = held, self.active
            if self.shadow is not None and self.shadow.manifest.version == held.manifest.version:
                self.shadow = None  # it is the active one now, or the same as that
            logger.info("bundle activated", extra={"version": held.manifest.version})
            await self._release(before)

    async def _set_shadow(self, folder: str | None, version: str | None) -> None:
        async with self._one_at_a_time():
            held: LoadedBundle | None = None
            if folder is not None or version is not None:
                wanted = await asyncio.to_thread(self._find, folder, version)
                if wanted is self.active:
                    raise ConflictError("the active bundle would be its own shadow", "name another")
                if wanted is self.shadow:
                    return
                held = await self._load(wanted.folder if isinstance(wanted, LoadedBundle) else wanted)
            before, self.shadow = self._all(), held
            await self._release(before)

    async def _release(self, some: Iterable[LoadedBundle]) -> None:
        """Those that have no role any more."""
        for held in some:
            if held not in self._all():
                await held.release()

    async def _load(self, folder: Path) -> LoadedBundle:
        timed = ActiveOnlyStages(self._stages)
        tagger = await asyncio.to_thread(load_tagger, folder, timed)
        try:
            manifest = await asyncio.to_thread(_unchanged, folder, tagger.bundle_version)
        except BaseException:
            await asyncio.to_thread(tagger.close)
            raise
        held = LoadedBundle(folder, manifest, tagger, self._clock(), timed)
        try:
            await asyncio.to_thread(_warm, tagger)
            await held.follow(self._edits, self._labelled, asyncio.to_thread)  # nobody else uses it yet
        except BaseException:
            await held.release()
            raise
        return held

    @property
    def versions(self) -> dict[str, str]:
        """Of the bundles that are held, by role."""
        roles = {"active": self._active, "previous": self.previous, "shadow": self.shadow}
        return {role: held.manifest.version for role, held in roles.items() if held is not None}

    def _find(self, folder: str | None, version: str | None) -> LoadedBundle | Path:
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

    def _all(self) -> list[LoadedBundle]:
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


def _version_of(folder: Path) -> str | None:
    """As its manifest states it; None for a folder that is no bundle."""
    with suppress(OSError, ValueError):
        tree = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(tree, dict) and isinstance(tree.get("version"), str):
            return str(tree["version"])
    return None
