"""Batch results: reads the new tags from the parquet files that `videotag batch` wrote."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import InvalidResultsError


def read_new_tags(folder: Path) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Yield (video_id, [(name, confidence), …] of its new tags) for each tagged video, also one without new tags.

    Raises InvalidResultsError for a folder that no batch wrote, or a part that cannot be read.
    """
    parts = sorted(folder.glob("tagged/part-*.parquet"))
    if not parts:
        hint = "give the folder of `videotag batch … --out DIR`"
        raise InvalidResultsError(f"{folder} holds no results: it has no tagged/part-*.parquet", hint)
    for part in parts:
        try:
            with pq.ParquetFile(part) as file:
                for batch in file.iter_batches(batch_size=4096, columns=["video_id", "tags"]):
                    for row in batch.to_pylist():
                        new_tags = [tag for tag in row["tags"] or () if tag["is_new"]]
                        yield row["video_id"], [(tag["name"], tag["confidence"]) for tag in new_tags]
        except (OSError, pa.ArrowException, LookupError, TypeError) as error:
            raise InvalidResultsError(f"{part} cannot be read: {error}", "run the batch again") from error
