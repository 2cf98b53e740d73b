"""Bundle lookup: finds a bundle by folder or version among the loaded ones and in the service's folder of bundles."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tagging.bundle.sealed import MANIFEST
from tagging.errors import ArtifactNotFoundError, InvalidConfigError
from tagging.service.bundles.loaded_bundle import LoadedBundle

HINT = "GetBundle lists the loaded bundles"


class BundleFolder:
    """The folder of the bundles that a service may load."""

    def __init__(self, root: Path | None) -> None:
        """root: None: the service may load none"""
        self._root = root

    def find(self, folder: str | None, version: str | None, loaded: Iterable[LoadedBundle]) -> LoadedBundle | Path:
        """Return a loaded bundle, or the folder of one that is not loaded.

        The version identifies a bundle: a folder may have been replaced since its bundle was loaded.
        Raises ArtifactNotFoundError, and InvalidConfigError if the folder of bundles cannot be read.
        """
        for bundle in loaded:
            if version is not None and bundle.version == version:
                return bundle
        if self._root is None:
            raise ArtifactNotFoundError(
                "this service has no folder of bundles", 'start it with service.bundles = "FOLDER"'
            )
        try:
            if folder is not None:
                return _by_folder(self._root, folder, loaded)
            for path in sorted(self._root.iterdir()):
                if _version_of(path) == version:
                    return path.resolve()
        except OSError as error:  # the disk is gone, or the permission
            raise InvalidConfigError(
                f"the folder of bundles cannot be read: {error.strerror}", "mount it, or permit this user to read it"
            ) from error
        raise ArtifactNotFoundError(f"there is no bundle of version {version!r}", HINT)


def _by_folder(root: Path, name: str, loaded: Iterable[LoadedBundle]) -> LoadedBundle | Path:
    path = root / name
    if not (path / MANIFEST).is_file():
        raise ArtifactNotFoundError(f"there is no bundle {name!r}", HINT)
    folder, version = path.resolve(), _version_of(path)
    for bundle in loaded:
        if (bundle.folder, bundle.version) == (folder, version):
            return bundle
    return folder


def _version_of(folder: Path) -> str | None:
    """The version that the manifest states; None for a folder that contains no bundle."""
    with suppress(OSError, ValueError):
        tree = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(tree, dict) and isinstance(tree.get("version"), str):
            return str(tree["version"])
    return None
