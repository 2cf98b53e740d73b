"""Prediction files in the format of the scorer: JSONL, one line per video, the best tag first."""

import gzip
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tagging.errors import InvalidManifestError
from tagging.files.atomic import atomic_file

MOST_TAGS = 200  # most tags per video


def prediction_files(folder: Path) -> dict[str, Path]:
    """Map each system to its file, sorted by name."""
    files = [path for path in folder.glob("*.jsonl*") if path.name.endswith((".jsonl", ".jsonl.gz"))]
    return {path.name.removesuffix(".gz").removesuffix(".jsonl"): path for path in sorted(files)}


def write_predictions(videos: Iterable[tuple[str, Sequence[str]]], path: Path) -> None:
    """Write (video id, tags) pairs atomically; equal pairs give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic_file(path) as partial,
        partial.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as zipped,
        io.TextIOWrapper(zipped, encoding="utf-8") as file,
    ):
        for video_id, tags in videos:
            file.write(json.dumps({"video_id": video_id, "tags": list(tags[:MOST_TAGS])}, ensure_ascii=False) + "\n")


def read_predictions(path: Path) -> dict[str, list[str]]:
    """Map video ids to tags, best first. Raises InvalidManifestError for the first line that is not a prediction."""
    found: dict[str, list[str]] = {}
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                number += 1
                row = json.loads(line)
                found[row["video_id"]] = [tag if isinstance(tag, str) else tag["name"] for tag in row["tags"]]
    except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
        raise InvalidManifestError(f"{path}: line {number}: not a prediction: {error!r}") from error
    return found
