"""Manifest of a topic model: the schema of manifest.json, its contents and provenance.

A topic model is a folder, immutable and versioned like a bundle:

    manifest.json        contents, provenance, sha256 of every other file
    model.safetensors    the mixture of experts, tag vectors and centres
    catalog.parquet      the tags
    topics.parquet       id, name, tags, examples, languages and group of each topic
    groups.parquet       groups of topics
    videos.parquet       the topics of the videos that it was fitted on
"""

from tagging.bundle.derived import DerivedManifest
from tagging.bundle.manifest import SourceEntry
from tagging.bundle.sealed import Entry, Kind
from tagging.config.topics import TopicsConfig


class LineageEntry(Entry):
    """The fate of the topics of the previous model (topics/identity.py)."""

    previous: str | None  # version
    drift: dict[int, float]  # of each topic that continues
    born: tuple[int, ...]
    died: tuple[int, ...]
    next_id: int


class TopicsManifest(DerivedManifest):
    config: TopicsConfig
    modalities: dict[str, int]  # width of each modality that the mixture of experts reads, in its order
    tasks: dict[str, int]  # classes of each task
    thresholds: dict[str, float]  # least similarity to a topic, by the halves that a video has
    lineage: LineageEntry
    sources: list[SourceEntry]


TOPIC_MODEL = Kind("a topic model", TopicsManifest, 2, "lineage", "videotag topics fit")
