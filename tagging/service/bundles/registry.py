"""Bundle registry: the active bundle of a service, the one before it, and the shadow bundle.

Every loaded bundle reflects the tag edits and labelled videos of the database, whose logs it follows by number.
Switching gives another bundle to the calls that start afterwards: a call keeps the bundle that it started with, and a
replaced bundle is closed after its last call.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from tagging.bundle.manifest import BUNDLE, BundleManifest
from tagging.concurrency import BackgroundTasks
from tagging.errors import ArtifactCorruptError, BackendUnavailableError, BusyError, ConflictError
from tagging.pipeline.load import load_tagger
from tagging.pipeline.stages import Stages, untimed
from tagging.pipeline.tagger import Tagger
from tagging.service.bundles.folder import BundleFolder
from tagging.service.bundles.loaded_bundle import ActiveOnlyStages, LoadedBundle, RunInTurn, UpdateLogs

logger = logging.getLogger(__name__)

FINISH_S = 3.0  # for running operations when the service closes; they may wait for Triton, without a deadline


class BundleRegistry:
    """The loaded bundles of a service. Belongs to one event loop; call `start` first.

    Operations run to completion even if the caller disconnects, so no other call sees a half-loaded bundle, or labelled
    videos that were applied without being recorded.
    """

    def __init__(
        self,
        root: Path | None,
        run: RunInTurn,
        logs: UpdateLogs,
        clock: Callable[[], datetime],
        stages: Stages = untimed,
        load: Callable[[Path, Stages], Tagger] = load_tagger,
    ) -> None:
        """root: the folder of the bundles that may be activated, None: none may; run: as in `LoadedBundle.follow`"""
        self._folder = BundleFolder(root)
        self._run = run
        self._logs = logs
        self._clock = clock
        self._stages = stages
        self._load_tagger = load
        self._loading = asyncio.Lock()
        self._following = asyncio.Lock()
        self._next_follow: asyncio.Task[None] | None = None
        self._background = BackgroundTasks()
        self._active: LoadedBundle | None = None
        self.previous: LoadedBundle | None = None
        self.shadow: LoadedBundle | None = None

    async def start(self, folder: Path) -> None:
        """Load the bundle that is active first; raises what load_tagger raises."""
        self._active = await self._load(folder.resolve())
        self._active.stages.is_active = True

    @property
    def active(self) -> LoadedBundle:
        """The bundle that answers calls; raises BackendUnavailableError before `start`."""
        if self._active is None:
            raise BackendUnavailableError("no bundle is loaded yet", "wait until the service's health is SERVING")
        return self._active

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the loaded bundles, by role."""
        roles = {"active": self._active, "previous": self.previous, "shadow": self.shadow}
        return {role: bundle.version for role, bundle in roles.items() if bundle is not None}

    async def close(self) -> None:
        """Wait for running operations, cancel those that take longer than FINISH_S, and release every bundle."""
        await self._background.wait_all(FINISH_S)
        for bundle in self._loaded():
            await bundle.release()

    async def follow(self) -> None:
        """Bring all bundles up to date with the logs, to which other services may have appended, too.

        One reader at a time; callers that arrive meanwhile share the next run. If each had a run of its own, a database
        that hangs would make them wait for the timeouts of all runs before theirs.
        """
        if self._next_follow is None:
            self._next_follow = self._background.start(self._follow())
        await asyncio.shield(self._next_follow)

    async def activate(self, folder: str | None, version: str | None) -> None:
        """Let the bundle of a folder, or of a version, answer the calls that start from now on.

        Raises ArtifactNotFoundError, what load_tagger raises, and BusyError while another bundle is being loaded.
        """
        await self._background.run(self._activate(folder, version))

    async def set_shadow(self, folder: str | None, version: str | None) -> None:
        """Let a bundle tag in the shadow of the active one; with neither folder nor version: none.

        Raises what `activate` raises, and ConflictError for the active bundle.
        """
        await self._background.run(self._set_shadow(folder, version))

    async def _follow(self) -> None:
        async with self._following:
            self._next_follow = None  # entries that are appended from here on may be missed by this run
            for bundle in self._loaded():
                await bundle.follow(self._logs, self._run)

    async def _activate(self, folder: str | None, version: str | None) -> None:
        async with self._one_at_a_time():
            found = await asyncio.to_thread(self._folder.find, folder, version, self._loaded())
            if found is self.active:
                return
            bundle = found if isinstance(found, LoadedBundle) else await self._load(found)
            try:
                await bundle.follow(self._logs, self._run)
            except BaseException:  # also a cancelled call: a bundle that has no owner must not stay loaded
                await self._release_unused([bundle])
                raise
            before = self._loaded()
            bundle.since, bundle.stages.is_active = self._clock(), True
            self._active, self.previous = bundle, self.active
            if self.shadow is not None and self.shadow.version == bundle.version:
                self.shadow = None  # it is active now, or has the same content
            logger.info("bundle activated", extra={"version": bundle.version})
            await self._release_unused(before)

    async def _set_shadow(self, folder: str | None, version: str | None) -> None:
        async with self._one_at_a_time():
            bundle: LoadedBundle | None = None
            if folder is not None or version is not None:
                found = await asyncio.to_thread(self._folder.find, folder, version, self._loaded())
                if found is self.active:
                    raise ConflictError("the active bundle cannot be its own shadow", "name another")
                if found is self.shadow:
                    return
                bundle = await self._load(found.folder if isinstance(found, LoadedBundle) else found)
            before, self.shadow = self._loaded(), bundle
            await self._release_unused(before)

    async def _load(self, folder: Path) -> LoadedBundle:
        stages = ActiveOnlyStages(self._stages)
        tagger = await asyncio.to_thread(self._load_tagger, folder, stages)
        try:
            manifest = await asyncio.to_thread(_verified_manifest, folder, tagger.bundle_version)
        except BaseException:  # also a cancelled call: the tagger has decode processes
            await asyncio.to_thread(tagger.close)
            raise
        bundle = LoadedBundle(folder, manifest, tagger, self._clock(), stages)
        try:
            await asyncio.to_thread(bundle.warm)
            await bundle.follow(self._logs, asyncio.to_thread)  # no call uses its models yet
        except BaseException:  # also a cancelled call, as above
            await bundle.release()
            raise
        return bundle

    async def _release_unused(self, bundles: Iterable[LoadedBundle]) -> None:
        """Release the bundles that have no role."""
        for bundle in bundles:
            if bundle not in self._loaded():
                await bundle.release()

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncIterator[None]:
        if self._loading.locked():
            raise BusyError("another bundle is being loaded", "try again when it is loaded")
        async with self._loading:
            yield

    def _loaded(self) -> list[LoadedBundle]:
        return [bundle for bundle in (self._active, self.previous, self.shadow) if bundle is not None]


def _verified_manifest(folder: Path, version: str) -> BundleManifest:
    """The manifest of a bundle that was just loaded, with every file hash checked again: the folder did not change."""
    manifest = BUNDLE.read(folder)
    if manifest.version != version:
        raise ArtifactCorruptError(
            f"{folder} was replaced by another bundle, {manifest.version}, while {version} was loaded", "try again"
        )
    return manifest
