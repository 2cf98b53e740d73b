"""The bundle on disk: a folder with everything needed to tag, immutable and versioned.

    manifest.json      what is inside, how it was made, sha256 of every other file
    catalog.parquet    the tags
    videos.parquet     the labelled videos that vote: id, title, tag rows
    channels/<name>/   one vector index a channel, and the labelled video of each of its rows

A bundle is written to a temporary sibling and renamed, so there is never half a bundle under its name.
"""

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tagging.config import Config
from tagging.errors import (
    ArtifactCorruptError,
    ArtifactMismatchError,
    ArtifactNotFoundError,
    OutputExistsError,
)

FORMAT = 1
MANIFEST = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderEntry(_Part):
    fingerprint: str
    dim: int


class ChannelEntry(_Part):
    modality: str
    metric: str  # "inner product", of unit rows
    dim: int
    count: int


class FileEntry(_Part):
    sha256: str
    bytes: int


class SourceEntry(_Part):
    """A manifest the bundle was trained on."""

    name: str
    sha256: str
    columns: dict[str, str]


class TrainingEntry(_Part):
    sources: list[SourceEntry]
    packages: dict[str, str]  # versions that shape the result
    videos_read: int
    videos_held_out: int
    videos_of_other_splits: int
    videos_without_tags: int
    videos_without_features: int


class BundleManifest(_Part):
    format: int
    version: str
    created: datetime
    config: Config
    encoders: dict[str, EncoderEntry]
    channels: dict[str, ChannelEntry]
    counts: dict[str, int]
    training: TrainingEntry
    files: dict[str, FileEntry]


def require_new(out: Path) -> None:
    """OutputExistsError where something is already; to be called before the work that leads to a bundle."""
    if out.exists():
        raise OutputExistsError(f"{out} exists; a bundle is never written over", "choose another place, or remove it")


@contextmanager
def bundle_folder(out: Path) -> Iterator[Path]:
    """A temporary sibling to write a bundle into; renamed to `out` when the block ends without an error."""
    require_new(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}.partial-"
    _remove_abandoned(out.parent, prefix)
    partial = out.parent / f"{prefix}{uuid.uuid4().hex}"
    partial.mkdir()
    handle = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # tells a later run that this folder's writer lives
        yield partial
        try:
            partial.rename(out)
        except OSError as error:  # somebody else finished first
            raise OutputExistsError(f"{out} appeared while this bundle was made", "choose another place") from error
    finally:
        os.close(handle)
        shutil.rmtree(partial, ignore_errors=True)


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def write_manifest(folder: Path, created: datetime, **parts: Any) -> BundleManifest:
    """Hash every file of the folder and write manifest.json, the last file of a bundle."""
    files = {
        path.relative_to(folder).as_posix(): FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    digest = hashlib.sha256("".join(f"{name} {entry.sha256}\n" for name, entry in files.items()).encode())
    version = f"{created:%Y%m%dT%H%M%SZ}-{digest.hexdigest()[:8]}"
    manifest = BundleManifest(format=FORMAT, version=version, created=created, files=files, **parts)
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    target = folder / MANIFEST
    target.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _sync(target)
    return manifest


def read_manifest(folder: Path) -> BundleManifest:
    """The manifest of an intact bundle of this format: every file is there and hashes as stated."""
    path = folder / MANIFEST
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactNotFoundError(
            f"{folder} is not a bundle: it has no {MANIFEST}", "make one with `videotag train` or `videotag quickstart`"
        ) from error
    except (OSError, ValueError) as error:
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


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
