"""Difference of two batches: the tags that another bundle added to a video, or no longer answers."""

from collections.abc import Iterable

import pyarrow as pa

from tagging.files.storage import Storage
from tagging.jobs.output import read_part, write_part
from tagging.jobs.tables import TableRow

DIFF = pa.schema(
    [
        ("video_id", pa.string()),
        ("added", pa.list_(pa.string())),  # names, best first
        ("removed", pa.list_(pa.string())),
        ("is_first", pa.bool_()),  # the earlier output has no tags of the video
    ]
)


def write_diff(earlier: Storage, storage: Storage, number: int, tagged: Iterable[TableRow]) -> None:
    """Write a row for each tagged video of a shard whose tags differ from those of the earlier output."""
    table = read_part(earlier, "tagged", number)
    before = {} if table is None else {row["video_id"]: _names(row) for row in table.to_pylist()}
    rows = []
    for row in tagged:
        old, new = before.get(row["video_id"]), _names(row)
        added = [name for name in new if name not in (old or ())]
        removed = [name for name in old or () if name not in new]
        if old is None or added or removed:
            changes = {"added": added, "removed": removed, "is_first": old is None}
            rows.append({"video_id": row["video_id"], **changes})
    write_part(storage, "diff", number, pa.Table.from_pylist(rows, DIFF))


def _names(row: TableRow) -> list[str]:
    return [tag["name"] for tag in row["tags"]]
