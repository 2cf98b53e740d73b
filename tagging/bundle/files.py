"""Bundle files: writing the manifest last, and reading a bundle only if it is intact."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from shutil import copyfile
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tagging.bundle.manifest import FORMAT, MANIFEST, BundleManifest, FileEntry, content_digest, file_sha256
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError, ArtifactNotFoundError
from tagging.text.normalise import VERSION

Tree = TypeVar("Tree", bound=BaseModel)

RESTORE = "restore the bundle, or train it again"


@contextmanager
def artifact_errors(folder: Path, hint: str = "train the bundle again") -> Iterator[None]:
    """Raise ArtifactCorruptError for any error that a malformed file of a bundle causes."""
    try:
        yield
    except (OSError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, EOFError) as error:
        raise ArtifactCorruptError(f"{folder} cannot be loaded: {error}", hint) from error


def write_manifest(folder: Path, draft: BundleManifest) -> BundleManifest:
    """Hash every file of the folder and write manifest.json, the last file of a bundle.

    draft: the manifest, whose format, version, normalisation and files are replaced
    Returns the manifest as written. All files are synced to the disk.
    """
    return seal(folder, draft, FORMAT, draft.created)


def seal(folder: Path, draft: Tree, format_: int, created: datetime) -> Tree:
    """Write the manifest of a folder as `write_manifest` does, for any kind of model; return it as written.

    draft: with the fields format, version, normalisation and files, which are replaced
    """
    update = {"format": format_, "normalisation": VERSION, "files": _seal_files(folder)}
    unversioned = draft.model_copy(update=update)
    digest = content_digest(unversioned.model_dump(mode="json"))
    manifest = unversioned.model_copy(update={"version": f"{created:%Y%m%dT%H%M%SZ}-{digest}"})
    _write_synced(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    return manifest


def _seal_files(folder: Path) -> dict[str, FileEntry]:
    """Sync every file below a folder to the disk; return size and hash of each by its relative path."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths:
        _sync(path)
    return {
        path.relative_to(folder).as_posix(): FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size)
        for path in paths
    }


def _write_synced(path: Path, text: str) -> None:
    """Write a text file in UTF-8 and sync it to the disk."""
    path.write_text(text, encoding="utf-8")
    _sync(path)


def copy_missing_files(bundle: Path, folder: Path, manifest: BundleManifest) -> None:
    """Copy those files of a bundle that the folder, which is to become another bundle, does not have yet."""
    for name in manifest.files:
        target = folder / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(bundle / name, target)  # without the mode: an installed package may be read-only


def read_manifest(folder: Path) -> BundleManifest:
    """Return the manifest of an intact bundle: of this format, and every file exists and has the stated hash.

    Raises ArtifactNotFoundError, ArtifactMismatchError for another format or text normalisation, and
    ArtifactCorruptError.
    """
    path = folder / MANIFEST
    tree = _read_json(folder, path)
    found = tree.get("format") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or found != FORMAT:
        raise ArtifactMismatchError(
            f"{folder}: bundle of format {found!r}, this videotag reads format {FORMAT}", "train it again"
        )
    manifest = validated(BundleManifest, tree, path, RESTORE)
    if not manifest.version.endswith(f"-{content_digest(tree)}"):
        raise ArtifactCorruptError(f"{path} was changed after the bundle {manifest.version} was made", RESTORE)
    if manifest.normalisation != VERSION:
        raise ArtifactMismatchError(
            f"{folder}: bundle of text normalisation {manifest.normalisation}, this videotag reads {VERSION}",
            "train it again: its tags were merged by other rules",
        )
    for name, entry in manifest.files.items():
        check_file(folder, name, entry)
    return manifest


def validated(model: type[Tree], tree: object, path: Path, hint: str) -> Tree:
    """Return the value of a JSON file; raise ArtifactCorruptError, which names the first invalid field."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ArtifactCorruptError(f"{path}: {key}: {first['msg']}", hint) from error


def _read_json(folder: Path, path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactNotFoundError(
            f"{folder} is not a bundle: it has no {MANIFEST}", "make one with `videotag train` or `videotag quickstart`"
        ) from error
    except NotADirectoryError as error:
        raise ArtifactNotFoundError(f"{folder} is not a bundle: it is no folder", "give a bundle's folder") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactCorruptError(f"{path} cannot be read: {error}", RESTORE) from error


def check_file(folder: Path, name: str, entry: FileEntry, hint: str = RESTORE) -> None:
    """Raise ArtifactCorruptError, which names the file, unless it has the stated size and hash."""
    path = folder / name
    try:
        size, sha256 = path.stat().st_size, file_sha256(path)
    except OSError as error:
        raise ArtifactCorruptError(f"{folder}: {name} cannot be read: {error}", hint) from error
    if size != entry.bytes or sha256 != entry.sha256:
        raise ArtifactCorruptError(
            f"{folder}: {name} differs from the manifest ({size} bytes, expected {entry.bytes}; "
            f"sha256 {sha256[:12]}…, expected {entry.sha256[:12]}…)",
            hint,
        )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
