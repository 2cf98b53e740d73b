"""Calls about bundles: activate one, set the shadow bundle, compare the shadow's answers with the active bundle's."""

from dataclasses import dataclass
from datetime import datetime

from tagging.errors import ConflictError
from tagging.service.bundles.loaded_bundle import LoadedBundle
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.calls.churn import Churn, churn_of
from tagging.service.calls.shadow import Shadow
from tagging.store.database.taggings import Taggings


@dataclass(frozen=True, slots=True, eq=False)
class Bundles:
    """The loaded bundles, by role."""

    active: LoadedBundle
    previous: LoadedBundle | None
    shadow: LoadedBundle | None


@dataclass(frozen=True, slots=True)
class ChurnReport:
    """The churn of a shadow bundle."""

    churn: Churn
    failures: int  # videos that the shadow bundle could not tag since the service started
    active_version: str
    shadow_version: str
    since: datetime


class BundleCalls:
    """Answers the calls about bundles."""

    def __init__(self, registry: BundleRegistry, shadow: Shadow, taggings: Taggings) -> None:
        self._registry = registry
        self._shadow = shadow
        self._taggings = taggings

    @property
    def bundles(self) -> Bundles:
        """The loaded bundles as they are now."""
        return Bundles(self._registry.active, self._registry.previous, self._registry.shadow)

    async def activate(self, folder: str | None, version: str | None) -> Bundles:
        """Activate the bundle of a folder or version; raises what `BundleRegistry.activate` raises."""
        await self._registry.activate(folder, version)
        return self.bundles

    async def set_shadow(self, folder: str | None, version: str | None) -> Bundles:
        """Set or, with neither folder nor version, unset the shadow bundle, as `BundleRegistry.set_shadow` does."""
        await self._registry.set_shadow(folder, version)
        return self.bundles

    async def churn(self, since: datetime | None, max_tags: int) -> ChurnReport:
        """Compare the answers since a time; None: since both bundles have had their roles. Raises ConflictError
        without a shadow bundle.
        """
        active, shadow = self._registry.active, self._registry.shadow
        if shadow is None:
            raise ConflictError("there is no shadow bundle", "set one with ShadowBundle")
        since = max(active.since, shadow.since) if since is None else since
        churn = await churn_of(self._taggings.pairs(active.version, shadow.version, since), max_tags)
        failures = self._shadow.counts(shadow.version).failures
        return ChurnReport(churn, failures, active.version, shadow.version, since)
