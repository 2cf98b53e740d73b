"""Benchmark folder, which every command reads and fills.

train.parquet                      training videos
unseen.parquet, seen.parquet       videos of held-out uploaders; other videos of uploaders that may be in train
test.parquet                       replaces these two if a data set has no uploaders
predictions/TEST/SYSTEM.jsonl.gz   the best tags of each video
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import ArtifactNotFoundError
from tagging.files.atomic import atomic_file
from tagging.manifests.read import read_labelled
from tagging.tools.benchmarks.datasets import Row
from tagging.types import LabelledVideo

TESTS = ("unseen", "seen", "test")


@dataclass(frozen=True, slots=True)
class BenchmarkFolder:
    root: Path

    @property
    def train(self) -> Path:
        return self.table("train")

    def table(self, name: str) -> Path:
        return self.root / f"{name}.parquet"

    def tests(self, names: Sequence[str] = ()) -> list[str]:
        """Return the given tests, or all that exist. Raises ArtifactNotFoundError if one, or all, are missing."""
        found = list(names) or [name for name in TESTS if self.table(name).is_file()]
        missing = [path for path in (self.train, *map(self.table, found)) if not path.is_file()]
        if missing or not found:
            reason = f"no {missing[0].name}" if missing else "no test"
            raise ArtifactNotFoundError(
                f"{self.root} is not a benchmark folder: {reason} in it",
                "write one with python -m tagging.tools benchmarks split",
            )
        return found

    def predictions(self, test: str) -> Path:
        return self.root / "predictions" / test


def read_table(path: Path) -> list[LabelledVideo]:
    return list(read_labelled([path], {}))


def as_row(labelled: LabelledVideo) -> Row:
    video = labelled.video
    return Row(video.video_id, video.title, video.description, labelled.tags, video.uploader_id, video.uri)


def write_table(rows: Iterable[Row], path: Path) -> None:
    """Write a manifest of videotag. Uploaders are also written as channel_id, by which the scorer draws intervals."""
    rows = list(rows)
    columns = {
        "video_id": pa.array([row.video_id for row in rows], pa.string()),
        "title": pa.array([row.title for row in rows], pa.string()),
        "description": pa.array([row.description for row in rows], pa.string()),
        "tags": pa.array([row.tags for row in rows], pa.list_(pa.string())),
    }
    if any(row.uploader_id is not None for row in rows):
        columns["uploader_id"] = columns["channel_id"] = pa.array([row.uploader_id for row in rows], pa.string())
    if any(row.uri is not None for row in rows):
        columns["uri"] = pa.array([row.uri for row in rows], pa.string())
    with atomic_file(path) as partial:
        pq.write_table(pa.table(columns), partial, compression="zstd")
