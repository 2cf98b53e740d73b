"""Tables that recommendation starts from: manifests of videos, and interactions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging.errors import InvalidManifestError
from tagging.manifests.read import read_tagged, tables_of
from tagging.types import LabelledVideo, VideoEmbeddings


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """The manifests, the table of interactions, and how their columns are named."""

    manifests: Sequence[Path]
    columns: Mapping[str, str]  # field -> column of the manifests, where they differ
    interactions: Path


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """V videos with their tags and embeddings."""

    videos: Sequence[LabelledVideo]
    embeddings: Sequence[VideoEmbeddings]

    def __post_init__(self) -> None:
        if len(self.videos) != len(self.embeddings):
            raise ValueError(f"{len(self.videos)} videos, {len(self.embeddings)} embeddings")

    def __len__(self) -> int:
        return len(self.videos)


def read_videos(manifests: Sequence[Path], columns: Mapping[str, str]) -> list[LabelledVideo]:
    """Read the videos of all splits; tags are names, or those that `videotag batch` predicted.

    manifests: as `video_tables` takes them
    Raises InvalidManifestError for manifests without rows, and for a folder without parquet files.
    """
    videos = list(read_tagged(video_tables(manifests), columns))
    if not videos:
        raise InvalidManifestError("the manifests have no rows", "give a table of videos")
    return videos


def video_tables(manifests: Sequence[Path]) -> list[Path]:
    """Return the tables of manifests: a folder, such as `tagged` in the output of a batch, has parquet files.

    Raises InvalidManifestError for a folder without parquet files.
    """
    return [file for manifest in manifests for file in tables_of(manifest)]
