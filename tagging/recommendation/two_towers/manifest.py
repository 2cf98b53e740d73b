"""Manifest of a recommendation model: the schema of manifest.json, its contents and provenance.

A recommendation model is a folder, immutable and versioned like a bundle:

    manifest.json        contents, provenance, sha256 of every other file
    model.safetensors    both towers, and the vectors of the videos
    catalog.parquet      the tags
    videos.parquet       the videos, and which of them have an ID
    words.parquet        the words of texts and tags
    uploaders.parquet    the uploaders
"""

from tagging.bundle.derived import DerivedManifest
from tagging.bundle.manifest import SourceEntry
from tagging.bundle.sealed import Entry, Kind
from tagging.config.recommendation import TwoTowersConfig
from tagging.recommendation.split import HeldOut, Part


class HoldoutEntry(Entry):
    """The interactions that the model was not trained on (recommendation/split.py)."""

    held_out: HeldOut
    part: Part
    seed: int


class TwoTowersManifest(DerivedManifest):
    config: TwoTowersConfig
    sizes: dict[str, int]  # rows of the table of each field that the item tower reads, in its order
    dims: dict[str, int]  # width of each dense view, in its order
    holdout: HoldoutEntry | None  # None: trained on all interactions
    videos: list[SourceEntry]
    interactions: SourceEntry


TWO_TOWERS = Kind("a recommendation model", TwoTowersManifest, 3, "holdout", "videotag recommend train")
