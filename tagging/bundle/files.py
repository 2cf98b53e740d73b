"""The recall stage of a bundle: its channels, and the labelled videos and tags behind them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from shutil import copyfile
from typing import Any

from pydantic import ValidationError

from tagging.bundle.manifest import FORMAT, MANIFEST, BundleManifest, FileEntry, content_digest, file_sha256
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError, ArtifactNotFoundError


@contextmanager
def artifact_errors(folder: Path) -> Iterator[None]:
    """ArtifactCorruptError where a file of a bundle is not what its name says."""
    try:
        yield
    except (OSError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, EOFError) as error:
        raise ArtifactCorruptError(f"{folder} cannot be loaded: {error}", "train the bundle again") from error


def write_manifest(folder: Path, created: datetime, **parts: Any) -> BundleManifest:
    """Hash every file of the folder and write manifest.json, the last file of a bundle."""
    files = {
        path.relative_to(folder).as_posix(): FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    unsealed = BundleManifest(format=FORMAT, version="", created=created, files=files, **parts)
    said = unsealed.model_dump(mode="json")
    version = f"{created:%Y%m%dT%H%M%SZ}-{content_digest(said)}"
    manifest = unsealed.model_copy(update={"version": version})
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    target = folder / MANIFEST
    target.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _sync(target)
    return manifest


def copy_missing_files(bundle: Path, folder: Path, manifest: BundleManifest) -> None:
    """What a bundle holds and the folder, which is to become another one, does not yet."""
    for name in manifest.files:
        place = folder / name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            copyfile(bundle / name, place)  # not its mode: a package may be read-only


def read_manifest(folder: Path) -> BundleManifest:
    """The manifest of an intact bundle of this format: every file is there and hashes as stated."""
    path = folder / MANIFEST
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactNotFoundError(
            f"{folder} is not a bundle: it has no {MANIFEST}", "make one with `videotag train` or `videotag quickstart`"
        ) from error
    except NotADirectoryError as error:
        raise ArtifactNotFoundError(f"{folder} is not a bundle: it is no folder", "give a bundle's folder") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactCorruptError(
            f"{path} cannot be read: {error}", "restore the bundle, or train it again"
        ) from error
    found = tree.get("format") if isinstance(tree, dict) else None
    if found != FORMAT:
        raise ArtifactMismatchError(
            f"{folder}: bundle of format {found!r}, this videotag reads format {FORMAT}", "train it again"
        )
    try:
        manifest = BundleManifest.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ArtifactCorruptError(f"{path}: {key}: {first['msg']}", "restore the bundle, or train it again") from error
    if not manifest.version.endswith(f"-{content_digest(tree)}"):
        raise ArtifactCorruptError(
            f"{path} was changed after the bundle {manifest.version} was made", "restore the bundle, or train it again"
        )
    for name, entry in manifest.files.items():
        _check_file(folder, name, entry)
    return manifest


def _check_file(folder: Path, name: str, entry: FileEntry) -> None:
    path = folder / name
    try:
        size, sha256 = path.stat().st_size, file_sha256(path)
    except OSError as error:
        raise ArtifactCorruptError(f"{folder}: {name} cannot be read: {error}", "restore the bundle") from error
    if size != entry.bytes or sha256 != entry.sha256:
        raise ArtifactCorruptError(
            f"{folder}: {name} differs from what the manifest says ({size} bytes, expected {entry.bytes}; "
            f"sha256 {sha256[:12]}…, expected {entry.sha256[:12]}…)",
            "restore the bundle, or train it again",
        )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
