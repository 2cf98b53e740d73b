"""What `videotag batch` wrote, read again."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import InvalidResultsError


def read_new_tags(folder: Path) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """(video_id, [(name, confidence), …] of its new tags) of each tagged video, also of those without a new tag.

    Raises InvalidResultsError for a folder that no batch wrote, or a part that cannot be read.
    """
    parts = sorted(folder.glob("part-*.parquet"))  # beside dead_letters/, which has parts of its own
    if not parts:
        hint = "give the folder of `videotag batch … --out DIR`"
        raise InvalidResultsError(f"{folder} holds no results: no part-*.parquet is in it", hint)
    for part in parts:
        try:
            with pq.ParquetFile(part) as file:
                for batch in file.iter_batches(batch_size=4096, columns=["video_id", "tags"]):
                    for row in batch.to_pylist():
                        tags = row["tags"] or ()
                        yield row["video_id"], [(t["name"], t["confidence"]) for t in tags if t["is_new"]]
        except (OSError, pa.ArrowException, LookupError, TypeError) as error:
            raise InvalidResultsError(f"{part} cannot be read: {error}", "make the results again") from error
