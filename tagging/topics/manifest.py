"""Manifest of a topic model: the schema of manifest.json, its contents and provenance.

A topic model is a folder, immutable and versioned like a bundle:

    manifest.json        contents, provenance, sha256 of every other file
    model.safetensors    the mixture of experts, tag vectors and centres
    catalog.parquet      the tags
    topics.parquet       id, name, tags, examples, languages and group of each topic
    groups.parquet       groups of topics
    videos.parquet       the topics of the videos that it was fitted on
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from tagging.bundle.manifest import EncoderEntry, FileEntry, SourceEntry
from tagging.config.encoders import EncodersConfig
from tagging.config.media import MediaConfig
from tagging.config.topics import TopicsConfig

FORMAT = 1
MANIFEST = "manifest.json"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LineageEntry(_Entry):
    """The fate of the topics of the previous model (topics/identity.py)."""

    previous: str | None  # version
    drift: dict[int, float]  # of each topic that continues
    born: tuple[int, ...]
    died: tuple[int, ...]
    next_id: int


class TopicsManifest(_Entry):
    format: int
    version: str
    created: datetime
    normalisation: int  # version of the text normalisation, by which tags are compared
    config: TopicsConfig
    bundle: str  # version of the bundle whose encoders it uses
    media: MediaConfig
    encoders_config: EncodersConfig
    encoders: dict[str, EncoderEntry]
    modalities: dict[str, int]  # width of each modality that the mixture of experts reads, in its order
    tasks: dict[str, int]  # classes of each task
    thresholds: dict[str, float]  # least similarity to a topic, by the halves that a video has
    counts: dict[str, int]
    lineage: LineageEntry
    sources: list[SourceEntry]
    packages: dict[str, str]  # versions that affect the result
    files: dict[str, FileEntry]
