"""Manifest of a recommendation model: the schema of manifest.json, its contents and provenance.

A recommendation model is a folder, immutable and versioned like a bundle:

    manifest.json        contents, provenance, sha256 of every other file
    model.safetensors    both towers, and the vectors of the videos
    catalog.parquet      the tags
    videos.parquet       the videos, and which of them have an ID
    words.parquet        the words of texts and tags
    uploaders.parquet    the uploaders
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from tagging.bundle.manifest import EncoderEntry, FileEntry, SourceEntry
from tagging.config.encoders import EncodersConfig
from tagging.config.media import MediaConfig
from tagging.config.recommendation import TwoTowersConfig
from tagging.recommendation.split import HeldOut, Part

FORMAT = 1
MANIFEST = "manifest.json"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HoldoutEntry(_Entry):
    """The interactions that the model was not trained on (recommendation/split.py)."""

    held_out: HeldOut
    part: Part
    seed: int


class RecommendationManifest(_Entry):
    format: int
    version: str
    created: datetime
    normalisation: int  # version of the text normalisation, by which tags are compared
    config: TwoTowersConfig
    bundle: str  # version of the bundle whose encoders it uses
    media: MediaConfig
    encoders_config: EncodersConfig
    encoders: dict[str, EncoderEntry]
    sizes: dict[str, int]  # rows of the table of each field that the item tower reads, in its order
    dims: dict[str, int]  # width of each dense view, in its order
    holdout: HoldoutEntry | None  # None: trained on all interactions
    counts: dict[str, int]
    videos: list[SourceEntry]
    interactions: SourceEntry
    packages: dict[str, str]  # versions that affect the result
    files: dict[str, FileEntry]
