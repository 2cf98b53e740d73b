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
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tagging.config.root import Config

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


class RecallModelEntry(_Part):
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
    learnt: RecallModelEntry | None
    ranker: RankerEntry | None
    counts: dict[str, int]
    training: TrainingEntry
    additions: list[AdditionEntry] = []  # first to last
    foldings: list[FoldingEntry] = []  # first to last
    files: dict[str, FileEntry]


def content_digest(manifest: Mapping[str, Any]) -> str:
    """The end of a bundle's version: 8 hex digits over all that its manifest says, but for when it was made.

    Over what stands in the file, so that a field with a default may be added without a new format.
    """
    said = {key: value for key, value in manifest.items() if key not in ("version", "created")}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
