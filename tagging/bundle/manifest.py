"""Bundle manifest: the schema of manifest.json, the contents and provenance of a bundle.

A bundle is a folder with everything that tagging needs, immutable and versioned:

    manifest.json      contents, provenance, sha256 of every other file
    catalog.parquet    the tags
    videos.parquet     the labelled videos that take part in neighbour voting: id, title, tag rows
    channels/<name>/   one vector index per channel, and the labelled video, or tag, of each index row
    names.npy          unit rows of the names of the catalog's first tags and of added tags, by the text encoder
    learnt/            n-grams, towers, classifier and fusion, and the names and labelled texts encoded by them
    extract/           the extractor of new tags from titles: counts over hashed phrases, templates, networks
    graph.parquet      tag co-occurrence on labelled videos
    rank/              the ranker's towers, the catalog encoded by them, the re-ranker and the calibration
    answers.parquet    predictions for labelled videos that nothing was fitted on, for precision control
    frames.parquet     classes of the vision encoder that indicate a tag; audio.parquet likewise
    words.parquet      unit rows of the words of those classes that are no names in names.npy

A bundle is written to a temporary sibling and renamed, so an incomplete bundle never has the final name.
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
from tagging.types import PassageSource

FORMAT = 8
RECALL_WEIGHTS = "learnt/model.safetensors"
RANK_WEIGHTS = "rank/towers.safetensors"
MANIFEST = "manifest.json"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderEntry(_Entry):
    fingerprint: str
    dim: int


class ChannelEntry(_Entry):
    metric: Literal["inner product"]  # of unit rows
    dim: int
    count: int
    background: float = 0.0  # mean cosine of two labelled videos (recall/neighbours/vote.py)
    backend: str = ""  # kind of the index; "" in bundles of earlier versions


class NamesEntry(_Entry):
    """Tag names encoded by the bundle's text encoder."""

    dim: int
    count: int
    classes: dict[str, int]  # modality -> number of classes of its encoder
    words: int = 0  # of the classes with a vector in words.parquet; 0: there is no such file
    unnamed: tuple[int, int] = (0, 0)  # catalog rows [start, end) without a name vector; later rows were added

    def rows(self) -> NDArray[np.int64]:
        """Return (count,) the catalog row of each name, rising."""
        rows = np.arange(self.count)
        start, end = self.unnamed
        return rows + (rows >= start) * (end - start)


class RecallModelEntry(_Entry):
    """Size of the recall model and of the sets of videos that it was trained and fitted on."""

    labels: int  # of the linear branch
    ngrams: int
    videos: int  # trained on
    blended_on: int  # other videos, which the fusion and the confidence were fitted on
    kept_for_promises: int  # other videos, which nothing was fitted on


class ExtractorEntry(_Entry):
    """The extractor of new tags (recall/extract/extractor.py)."""

    titles: int  # labelled titles that it was fitted on


class RankerEntry(_Entry):
    """Size of the trained ranker."""

    videos: int  # that the towers were trained on
    edges: int  # of the tag graph
    thresholds: int  # tags with a calibration offset of their own


class FileEntry(_Entry):
    sha256: str
    bytes: int


class SourceEntry(_Entry):
    """A table that the bundle was made from."""

    name: str
    sha256: str
    columns: dict[str, str]

    @classmethod
    def of(cls, path: Path, columns: Mapping[str, str]) -> "SourceEntry":
        """Return the entry of a table that exists, of which `columns` are renamed (field -> column)."""
        name = os.fsencode(path.name).decode("utf-8", "replace")  # a file name may not be valid text
        return cls(name=name, sha256=file_sha256(path), columns=dict(columns))


class TrainingEntry(_Entry):
    sources: list[SourceEntry]
    packages: dict[str, str]  # versions that affect the result
    videos_read: int
    videos_held_out: int
    videos_of_other_splits: int
    videos_without_tags: int
    videos_without_features: int


class AdditionEntry(_Entry):
    """Tags added to the catalog without training."""

    bundle: str  # version of the bundle they were added to
    tags: int  # the last rows of the catalog at that time
    sources: list[SourceEntry]  # review tables; empty if the tags were named on the command line


class FoldingEntry(_Entry):
    """A log of labelled videos that was compacted into the bundle without training."""

    bundle: str  # version of the bundle they were folded into
    joined: int  # added videos
    left: int  # removed videos
    source: SourceEntry


class BundleManifest(_Entry):
    format: int
    version: str
    created: datetime
    normalisation: int = 1  # version of the text normalisation (tagging.text.normalise); 1: from before it was stated
    config: Config
    encoders: dict[str, EncoderEntry]
    readers: dict[PassageSource, str] = {}  # fingerprints of the readers that read the labelled videos
    channels: dict[str, ChannelEntry]
    names: NamesEntry | None
    learnt: RecallModelEntry | None
    extractor: ExtractorEntry | None = None  # None if no labelled title contains a tag of its video
    ranker: RankerEntry | None
    counts: dict[str, int]
    training: TrainingEntry
    additions: list[AdditionEntry] = []  # first to last
    foldings: list[FoldingEntry] = []  # first to last
    files: dict[str, FileEntry]

    def weights_fingerprint(self, file: str) -> str:
        """Return the fingerprint of a file of weights: the first 16 digits of its sha256."""
        return self.files[file].sha256[:16]


def content_digest(manifest: Mapping[str, Any]) -> str:
    """Return the last part of a bundle's version: 8 hex digits over the manifest without version and time.

    manifest: the keys as they are in the file, so that a field with a default can be added without a new format
    """
    content = {key: value for key, value in manifest.items() if key not in ("version", "created")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
