"""The bundle on disk: a folder with everything needed to tag, immutable and versioned.

    manifest.json      what is inside, how it was made, sha256 of every other file
    catalog.parquet    the tags
    videos.parquet     the labelled videos that vote: id, title, tag rows
    channels/<name>/   one vector index a channel, and the labelled video, or tag, behind each of its rows
    names.npy          unit rows of the names of the catalog's first tags and of the added ones, by the text encoder
    learnt/            n-grams, towers, classifier and blend, the names and labelled texts as they see them
    graph.parquet      which tags stand together on labelled videos
    rank/              the towers, the catalog as they see it, and how sure that makes a candidate
    answers.parquet    what it would answer labelled videos that nothing was fitted on, for promises
    frames.parquet     which classes of the vision encoder speak for which tags, and audio.parquet the same

A bundle is written to a temporary sibling and renamed, so there is never half a bundle under its name.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from shutil import copyfile
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from tagging.config import Config
from tagging.errors import (
    ArtifactCorruptError,
    ArtifactMismatchError,
    ArtifactNotFoundError,
)

FORMAT = 7
MANIFEST = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderEntry(_Part):
    fingerprint: str
    dim: int


class ChannelEntry(_Part):
    metric: Literal["inner product"]  # of unit rows
    dim: int
    count: int


class NamesEntry(_Part):
    """Names in the space of the bundle's text encoder."""

    dim: int
    count: int
    classes: dict[str, int]  # modality -> number of its encoder's classes
    unnamed: tuple[int, int] = (0, 0)  # catalog rows [start, end) without a name, where tags were added behind them

    def rows(self) -> NDArray[np.int64]:
        """(count,) the catalog row of each name, rising."""
        places = np.arange(self.count)
        start, end = self.unnamed
        return places + (places >= start) * (end - start)


class LearntEntry(_Part):
    """What recall learnt: L labels of the linear branch, F n-grams, from how many videos; on how many others the blend
    and the confidence were fitted, and how many nothing was fitted on.
    """

    labels: int
    ngrams: int
    videos: int
    blended_on: int
    kept_for_promises: int
    extracts: bool  # new tags from texts; not where no text names a tag of its video


class RankerEntry(_Part):
    """What rank learnt: from how many videos, the edges of the tag graph, and how many tags have a threshold of their
    own.
    """

    videos: int
    edges: int
    thresholds: int


class FileEntry(_Part):
    sha256: str
    bytes: int


class SourceEntry(_Part):
    """A table the bundle was made from."""

    name: str
    sha256: str
    columns: dict[str, str]

    @classmethod
    def of(cls, path: Path, columns: Mapping[str, str]) -> "SourceEntry":
        name = os.fsencode(path.name).decode("utf-8", "replace")  # a file's name may be no text at all
        return cls(name=name, sha256=file_sha256(path), columns=dict(columns))


class TrainingEntry(_Part):
    sources: list[SourceEntry]
    packages: dict[str, str]  # versions that shape the result
    videos_read: int
    videos_held_out: int
    videos_of_other_splits: int
    videos_without_tags: int
    videos_without_features: int


class AdditionEntry(_Part):
    """Tags that were added to the catalog without training."""

    bundle: str  # version of the bundle that they were added to
    tags: int  # the catalog's last then
    sources: list[SourceEntry]  # tables of judged tags; none where they were named by hand


class FoldingEntry(_Part):
    """Labelled videos that came to vote, or left, without training."""

    bundle: str  # version of the bundle that they were folded into
    joined: int
    left: int
    source: SourceEntry


class BundleManifest(_Part):
    format: int
    version: str
    created: datetime
    config: Config
    encoders: dict[str, EncoderEntry]
    channels: dict[str, ChannelEntry]
    names: NamesEntry | None
    learnt: LearntEntry | None
    ranker: RankerEntry | None
    counts: dict[str, int]
    training: TrainingEntry
    additions: list[AdditionEntry] = []  # first to last
    foldings: list[FoldingEntry] = []  # first to last
    files: dict[str, FileEntry]


def write_manifest(folder: Path, created: datetime, **parts: Any) -> BundleManifest:
    """Hash every file of the folder and write manifest.json, the last file of a bundle."""
    files = {
        path.relative_to(folder).as_posix(): FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    unsealed = BundleManifest(format=FORMAT, version="", created=created, files=files, **parts)
    said = unsealed.model_dump(mode="json")
    version = f"{created:%Y%m%dT%H%M%SZ}-{seal(said)}"
    manifest = unsealed.model_copy(update={"version": version})
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    target = folder / MANIFEST
    target.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _sync(target)
    return manifest


def copy_rest(bundle: Path, folder: Path, manifest: BundleManifest) -> None:
    """What a bundle holds and the folder, which is to become another one, does not yet."""
    for name in manifest.files:
        place = folder / name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            copyfile(bundle / name, place)  # not its mode: a package may be read-only


def seal(manifest: Mapping[str, Any]) -> str:
    """The end of a bundle's version: 8 hex digits over all that its manifest says, but for when it was made.

    Over what stands in the file, so that a field with a default may be added without a new format.
    """
    said = {key: value for key, value in manifest.items() if key not in ("version", "created")}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


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
    if not manifest.version.endswith(f"-{seal(tree)}"):
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


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
