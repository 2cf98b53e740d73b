"""Bundle manifest: the schema of manifest.json, the contents and provenance of a bundle.

A bundle is a folder with everything that tagging needs, immutable and versioned:

    manifest.json      contents, provenance, sha256 of every other file
    catalog.parquet    the tags
    videos.parquet     the labelled videos that take part in neighbour voting: id, title, tag rows
    channels/<name>/   one vector index per channel, and the labelled video, or tag, of each index row; for videos the
                       centre of the space that they are searched in (recall/neighbours/space.py)
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

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tagging.bundle.sealed import Entry, Kind, SealedManifest, file_sha256
from tagging.config.root import Config
from tagging.types import PassageSource

RECALL_WEIGHTS = "learnt/model.safetensors"
RANK_WEIGHTS = "rank/towers.safetensors"


class EncoderEntry(Entry):
    fingerprint: str
    dim: int


class ChannelEntry(Entry):
    metric: Literal["inner product"]  # of unit rows
    dim: int
    count: int
    backend: str = ""  # kind of the index; "" in bundles of earlier versions


class NamesEntry(Entry):
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


class RecallModelEntry(Entry):
    """Size of the recall model and of the sets of videos that it was trained and fitted on."""

    labels: int  # of the linear branch
    landmarks: int = 0  # of the regression; 0 without one
    ngrams: int
    videos: int  # trained on
    blended_on: int  # that fusion and confidence were fitted on; other videos, or the same by models of their own
    kept_for_promises: int  # other videos, which nothing was fitted on


class ExtractorEntry(Entry):
    """The extractor of new tags (recall/extract/extractor.py)."""

    titles: int  # labelled titles that it was fitted on


class RankerEntry(Entry):
    """Size of the trained ranker."""

    videos: int  # that the towers were trained on
    edges: int  # of the tag graph
    thresholds: int  # tags with a calibration offset of their own


class SourceEntry(Entry):
    """A table that the bundle was made from."""

    name: str
    sha256: str
    columns: dict[str, str]

    @classmethod
    def of(cls, path: Path, columns: Mapping[str, str]) -> "SourceEntry":
        """Return the entry of a table that exists, of which `columns` are renamed (field -> column)."""
        name = os.fsencode(path.name).decode("utf-8", "replace")  # a file name may not be valid text
        return cls(name=name, sha256=file_sha256(path), columns=dict(columns))


class TrainingEntry(Entry):
    sources: list[SourceEntry]
    packages: dict[str, str]  # versions that affect the result
    videos_read: int
    videos_held_out: int
    videos_of_other_splits: int
    videos_without_tags: int
    videos_without_features: int


class AdditionEntry(Entry):
    """Tags added to the catalog without training."""

    bundle: str  # version of the bundle they were added to
    tags: int  # the last rows of the catalog at that time
    sources: list[SourceEntry]  # review tables; empty if the tags were named on the command line


class FoldingEntry(Entry):
    """A log of labelled videos that was compacted into the bundle without training."""

    bundle: str  # version of the bundle they were folded into
    joined: int  # added videos
    left: int  # removed videos
    source: SourceEntry


class BundleManifest(SealedManifest):
    config: Config
    encoders: dict[str, EncoderEntry]
    readers: dict[PassageSource, str] = Field(default_factory=dict)  # fingerprints, of labelled videos
    channels: dict[str, ChannelEntry]
    names: NamesEntry | None
    learnt: RecallModelEntry | None
    extractor: ExtractorEntry | None = None  # None if no labelled title contains a tag of its video
    ranker: RankerEntry | None
    counts: dict[str, int]
    training: TrainingEntry
    additions: list[AdditionEntry] = Field(default_factory=list)  # first to last
    foldings: list[FoldingEntry] = Field(default_factory=list)  # first to last

    def weights_fingerprint(self, file: str) -> str:
        """Return the fingerprint of a file of weights: the first 16 digits of its sha256."""
        return self.files[file].sha256[:16]


BUNDLE = Kind("a bundle", BundleManifest, 9, "channels", "videotag train")
