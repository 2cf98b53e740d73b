"""Removal of Milvus collections that videotag created and no remaining bundle refers to."""

from collections.abc import Sequence
from pathlib import Path

from tagging.bundle.manifest import BUNDLE
from tagging.errors import MissingPackageError


def drop_unused_collections(uri: str, bundles: Sequence[Path], dry_run: bool) -> list[str]:
    """Remove the collections at `uri` that none of the bundles refers to, and return their names.

    dry_run: only return the names. Collections that videotag did not create are not touched. Raises ArtifactError for a
    bundle that is missing or damaged, before anything is removed, and BackendUnavailableError.
    """
    try:
        from recall.index.milvus_server import collections_at, drop_collections, saved_collection
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"the index backend milvus needs {error.name}", 'install it with: pip install "videotag[milvus]"'
        ) from error
    used = {saved_collection(bundle / "channels" / name) for bundle in bundles for name in BUNDLE.read(bundle).channels}
    unused = [name for name in collections_at(uri) if name not in used]
    if not dry_run:
        drop_collections(uri, unused)
    return unused
