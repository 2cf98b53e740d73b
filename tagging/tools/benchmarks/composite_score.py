"""Score of a composite set: the share of each modality's tags that each channel, and the union, recovers."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import ArtifactNotFoundError, InvalidManifestError
from tagging.text.normalise import normalise
from tagging.tools.benchmarks.folder import BenchmarkFolder
from tagging.tools.benchmarks.predictions import prediction_files, read_predictions
from tagging.types import MODALITIES

DEPTHS = (5, 20, 200)
Carried = dict[str, list[tuple[str, str]]]  # video id -> (normalised tag, the modality that carries it)


def composite_score(folder: BenchmarkFolder) -> list[dict[str, str | int | float]]:
    """Return a row per system and modality: the share of its tags among the first 5, 20 and 200 predictions.

    A video without predictions counts as a miss. Raises ArtifactNotFoundError if the folder holds no predictions,
    InvalidManifestError for predictions of other videos.
    """
    folder.tests(["test"])
    carried = read_carried(folder.table("test"))
    files = prediction_files(folder.predictions("test"))
    if not files:
        raise ArtifactNotFoundError(f"{folder.predictions('test')}: no predictions", "make them with the command ours")
    rows: list[dict[str, str | int | float]] = []
    for system, path in files.items():
        predictions = read_predictions(path)
        foreign = predictions.keys() - carried.keys()
        if foreign:
            raise InvalidManifestError(f"{path}: {min(foreign)!r} is not a test clip of {folder.root}")
        for modality in MODALITIES:
            hits = dict.fromkeys(DEPTHS, 0)
            pairs = 0
            for video_id, tags in carried.items():
                order = list(dict.fromkeys(map(normalise, predictions.get(video_id, ()))))
                carried_tags = [tag for tag, by in tags if by == modality]
                pairs += len(carried_tags)
                for depth in DEPTHS:
                    hits[depth] += len(set(order[:depth]).intersection(carried_tags))
            shares = {f"found in {depth}": round(hits[depth] / max(pairs, 1), 4) for depth in DEPTHS}
            rows.append({"system": system, "carried_by": modality, "tags": pairs, **shares})
    return rows


def read_carried(path: Path) -> Carried:
    """Return the tags of each clip and what carries them. Raises InvalidManifestError for another table."""
    try:
        columns = pq.read_table(path, columns=["video_id", "tags", "carried_by"]).to_pylist()
        return {
            row["video_id"]: [(normalise(tag), by) for tag, by in zip(row["tags"], row["carried_by"], strict=True)]
            for row in columns
        }
    except (OSError, ValueError, TypeError, pa.ArrowException) as error:
        raise InvalidManifestError(f"{path}: not a composite set: {error}", "write one with composite") from error
