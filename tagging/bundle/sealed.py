"""Sealed folders: the files of a model, with their hashes in a manifest that is written last.

A sealed folder is immutable and versioned. It is read only if every file is intact, whatever kind of model it holds.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tagging.config.base import first_fault
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError, ArtifactNotFoundError
from tagging.text.normalise import VERSION

MANIFEST = "manifest.json"


class Entry(BaseModel):
    """A part of a manifest: immutable, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(Entry):
    sha256: str
    bytes: int


class SealedManifest(Entry):
    """Fields of the manifests of all kinds of models; those with a default are set when the folder is sealed."""

    format: int = 0
    version: str = ""
    created: datetime
    normalisation: int = 1  # version of tagging.text.normalise; 1: from before it was stated
    files: dict[str, FileEntry] = {}


Manifest = TypeVar("Manifest", bound=SealedManifest)


@dataclass(frozen=True, slots=True)
class Kind(Generic[Manifest]):
    """A kind of model."""

    name: str  # with its article, "a bundle"
    manifest: type[Manifest]
    format: int
    field: str  # of the manifest, which no other kind has
    command: str  # that makes one

    @property
    def again(self) -> str:
        """The hint of an error about a damaged folder."""
        return f"restore the folder, or run `{self.command}` again"

    def seal(self, folder: Path, draft: Manifest) -> Manifest:
        """Hash every file of the folder and write the manifest, its last file; return it as written.

        All files are synced to the disk.
        """
        update = {"format": self.format, "normalisation": VERSION, "files": _sealed_files(folder)}
        unversioned = draft.model_copy(update=update)
        digest = content_digest(unversioned.model_dump(mode="json"))
        manifest = unversioned.model_copy(update={"version": f"{draft.created:%Y%m%dT%H%M%SZ}-{digest}"})
        path = folder / MANIFEST
        path.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        _sync(path)
        return manifest

    def read(self, folder: Path) -> Manifest:
        """Return the manifest of an intact folder: of this format, and every file exists and has the stated hash.

        Raises ArtifactNotFoundError, ArtifactMismatchError for another kind, format or text normalisation, and
        ArtifactCorruptError.
        """
        tree = self._read_json(folder)
        if not isinstance(tree, dict) or self.field not in tree:
            raise ArtifactMismatchError(f"{folder} is not {self.name}", f"make one with `{self.command}`")
        if tree.get("format") != self.format:
            raise ArtifactMismatchError(
                f"{folder} is {self.name} of format {tree.get('format')!r}, this videotag reads format {self.format}",
                f"run `{self.command}` again",
            )
        manifest = self._validated(folder, tree)
        if not manifest.version.endswith(f"-{content_digest(tree)}"):
            raise ArtifactCorruptError(f"{folder / MANIFEST} was changed after {manifest.version} was made", self.again)
        if manifest.normalisation != VERSION:
            raise ArtifactMismatchError(
                f"{folder} is {self.name} of text normalisation {manifest.normalisation}, "
                f"this videotag reads {VERSION}",
                f"run `{self.command}` again: its tags were merged by other rules",
            )
        for name, entry in manifest.files.items():
            _check_file(folder, name, entry, self.again)
        return manifest

    def loading(self, folder: Path) -> AbstractContextManager[None]:
        """Raise ArtifactCorruptError for any error that a malformed file of the folder causes."""
        return artifact_errors(folder, self.again)

    def _validated(self, folder: Path, tree: Mapping[str, Any]) -> Manifest:
        try:
            return self.manifest.model_validate(tree)
        except ValidationError as error:
            raise ArtifactCorruptError(f"{folder / MANIFEST}: {first_fault(error)}", self.again) from error

    def _read_json(self, folder: Path) -> object:
        try:
            return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            reason = f"it has no {MANIFEST}" if folder.is_dir() else "it is no folder"
            raise ArtifactNotFoundError(
                f"{folder} is not {self.name}: {reason}", f"make one with `{self.command}`"
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            raise ArtifactCorruptError(f"{folder / MANIFEST} cannot be read: {error}", self.again) from error


@contextmanager
def artifact_errors(folder: Path, hint: str = "train the bundle again") -> Iterator[None]:
    """Raise ArtifactCorruptError for any error that a malformed file of a folder causes."""
    try:
        yield
    except (OSError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, EOFError) as error:
        raise ArtifactCorruptError(f"{folder} cannot be loaded: {error}", hint) from error


def content_digest(manifest: Mapping[str, Any]) -> str:
    """Return the last part of a version: 8 hex digits over the manifest without version and time.

    manifest: the keys as they are in the file, so that a field with a default can be added without a new format
    """
    content = {key: value for key, value in manifest.items() if key not in ("version", "created")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sealed_files(folder: Path) -> dict[str, FileEntry]:
    """Sync every file below a folder to the disk; return size and hash of each by its relative path."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths:
        _sync(path)
    return {
        path.relative_to(folder).as_posix(): FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size)
        for path in paths
    }


def _check_file(folder: Path, name: str, entry: FileEntry, hint: str) -> None:
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
