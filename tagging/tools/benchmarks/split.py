"""Split of a table of labelled videos into training and test tables.

Uploaders repeat their tags on all their videos, so whole uploaders are held out (`unseen`); a few videos of the other
uploaders (`seen`) measure the gain from knowing the uploader. The draw is by hash, so the part of a row depends only on
its own ids and the seed.
"""

from collections.abc import Sequence
from pathlib import Path

from tagging.errors import InvalidManifestError, OutputExistsError
from tagging.splits import is_held_out
from tagging.text.normalise import normalise
from tagging.tools.benchmarks.datasets import Dataset, Row
from tagging.tools.benchmarks.folder import TESTS, BenchmarkFolder, write_table
from tagging.types import VideoRef

UNSEEN_SHARE = 0.08  # of the uploaders
SEEN_SHARE = 0.03  # of the videos of the other uploaders
TEST_SHARE = 0.2  # of the videos, if there are no uploaders
SEED = 2026  # differs from that of `videotag train`, whose holdout would otherwise hit the very same uploaders


def divide(rows: Sequence[Row], seed: int = SEED) -> dict[str, list[Row]]:
    """Return train, unseen and seen, or train and test if no row has an uploader. Each row is in exactly one part."""
    if all(row.uploader_id is None for row in rows):
        parts: dict[str, list[Row]] = {"train": [], "test": []}
        for row in rows:
            parts["test" if _is_drawn(row.video_id, TEST_SHARE, seed) else "train"].append(row)
        return parts
    parts = {"train": [], "unseen": [], "seen": []}
    for row in rows:
        uploader = VideoRef(row.video_id, uploader_id=row.uploader_id)
        if is_held_out(uploader, UNSEEN_SHARE, seed):
            parts["unseen"].append(row)
        else:
            parts["seen" if _is_drawn(row.video_id, SEEN_SHARE, seed) else "train"].append(row)
    return parts


def _is_drawn(video_id: str, share: float, seed: int) -> bool:
    return is_held_out(VideoRef(video_id), share, seed)


def write_split(dataset: Dataset, out: Path, seed: int = SEED) -> list[dict[str, str | int]]:
    """Write the parts into a folder and return a row of counts for each.

    Raises OutputExistsError if the folder holds a benchmark, InvalidManifestError if a part would be empty.
    """
    folder = BenchmarkFolder(out)
    existing = [path for path in map(folder.table, ("train", *TESTS)) if path.exists()]
    if existing:
        raise OutputExistsError(f"{existing[0]} exists", "remove it or choose another folder")
    parts = divide(dataset.rows, seed)
    empty = [name for name, rows in parts.items() if not rows]
    if empty:
        raise InvalidManifestError(f"{len(dataset.rows)} rows are too few: the part {empty[0]} would be empty")
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        write_table(rows, folder.table(name))
    titles, uploaders, tags = _training_sets(parts["train"])
    return [
        {
            "part": name,
            "videos": len(rows),
            "tagged": sum(bool(row.tags) for row in rows),
            "uploaders": len({row.uploader_id for row in rows} - {None}),
            "of_uploaders_in_train": sum(row.uploader_id in uploaders for row in rows),
            "title_in_train": sum(normalise(row.title) in titles for row in rows),
            "distinct_tags": len(tags_of_part := {normalise(tag) for row in rows for tag in row.tags}),
            "of_them_in_train": len(tags_of_part & tags),
        }
        for name, rows in parts.items()
    ]


def _training_sets(rows: Sequence[Row]) -> tuple[set[str], set[str | None], set[str]]:
    titles = {normalise(row.title) for row in rows}
    return titles, {row.uploader_id for row in rows} - {None}, {normalise(tag) for row in rows for tag in row.tags}
