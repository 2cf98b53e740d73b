"""Two halves of MicroLens' videos: one to train a bundle on, the other to recommend.

So the bundle predicts tags of videos that its training did not see, as for the new uploads of a platform.
"""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagging.errors import InvalidManifestError
from tagging.files.atomic import atomic_folder, require_new

LEAST_VIDEOS = 2  # of a user who stays: one is history, one is predicted


def write_halves(source: Path, out: Path) -> dict[str, int]:
    """Write train.parquet, videos.parquet and interactions.parquet into a new folder; return the number of rows.

    source: folder of `benchmarks microlens`
    A hash of its id puts a video into train.parquet or into videos.parquet. interactions.parquet has the users' videos
    of the latter, of users who have LEAST_VIDEOS of them. Raises InvalidManifestError for another folder, and
    OutputExistsError.
    """
    require_new(out)
    try:
        videos = pq.read_table(source / "videos.parquet")
        interactions = pq.read_table(source / "interactions.parquet", columns=["user_id", "videos"])
        ids = videos["video_id"].to_pylist()
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise InvalidManifestError(
            f"{source} has no tables of MicroLens: {error}", "write them with `benchmarks microlens`"
        ) from error
    is_trained_on = pa.array([_is_trained_on(video_id) for video_id in ids])
    recommended = videos.filter(pc.invert(is_trained_on))
    kept = set(recommended["video_id"].to_pylist())
    users = [
        {"user_id": row["user_id"], "videos": watched}
        for row in interactions.to_pylist()
        if len(watched := [video for video in row["videos"] if video in kept]) >= LEAST_VIDEOS
    ]
    tables = {
        "train": videos.filter(is_trained_on),
        "videos": recommended,
        "interactions": pa.Table.from_pylist(users, interactions.schema),
    }
    with atomic_folder(out) as folder:
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
    return {name: len(table) for name, table in tables.items()}


def _is_trained_on(video_id: str) -> bool:
    return hashlib.sha256(f"half:{video_id}".encode()).digest()[0] % 2 == 1
