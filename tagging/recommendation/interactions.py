"""Interactions: which videos each user watched, in order.

A table of interactions is JSONL, CSV or parquet with `user_id` and `videos`, the ids of the user's videos from the
first to the last; in CSV a JSON list, or ids joined with `|`. Every id has a row in the manifest of videos.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagging.errors import InvalidManifestError
from tagging.manifests.formats import read_rows
from tagging.manifests.source import ManifestSource
from tagging.manifests.values import FieldError, id_of, shown
from tagging.ragged import Ragged

logger = logging.getLogger(__name__)

COLUMNS = {"user_id": "user_id", "videos": "videos"}


@dataclass(frozen=True, slots=True, eq=False)
class Interactions:
    """U users and their videos, as rows of a catalog of V videos."""

    user_ids: tuple[str, ...]  # U
    videos: Ragged  # U lists of video rows in the order of watching, without repeats inside a user

    def __post_init__(self) -> None:
        if len(self.user_ids) != len(self.videos):
            raise ValueError(f"{len(self.user_ids)} users, {len(self.videos)} sequences")

    def __len__(self) -> int:
        return len(self.user_ids)


def read_interactions(path: Path, video_ids: Sequence[str]) -> Interactions:
    """Read a table of interactions.

    video_ids: V, of the catalog, each once
    A video that a user watched again counts at its first place; the log says how many did. Raises InvalidManifestError
    for a table without the two columns or without a row, a row that cannot be read, a user with two rows, and a video
    that the catalog lacks.
    """
    source = ManifestSource(str(path))
    row_of = {video_id: row for row, video_id in enumerate(video_ids)}
    sequences: dict[str, list[int]] = {}
    repeats = 0
    for location, record in read_rows(source, COLUMNS):
        if isinstance(record, InvalidManifestError):
            raise record
        try:
            user_id, ids = _parse(record)
        except FieldError as error:
            raise InvalidManifestError(
                f"{source}: {location}: {error}", "expected columns user_id and videos"
            ) from error
        if user_id in sequences:
            raise InvalidManifestError(
                f"{source}: {location}: user_id {shown(user_id)} repeats", "give each user one row with all videos"
            )
        unknown = [video_id for video_id in ids if video_id not in row_of]
        if unknown:
            raise InvalidManifestError(
                f"{source}: {location}: video {shown(unknown[0])} has no row in the manifest of videos",
                "add it to the manifest, or remove it from the interactions",
            )
        distinct = list(dict.fromkeys(ids))
        repeats += len(ids) - len(distinct)
        sequences[user_id] = [row_of[video_id] for video_id in distinct]
    if not sequences:
        raise InvalidManifestError(f"{source}: no interactions", "give a table with the columns user_id and videos")
    if repeats:
        logger.warning("%s: %d repeated views count at their first place", source.name, repeats)
    return Interactions(tuple(sequences), Ragged.of(list(sequences.values())))


def _parse(record: dict[str, Any]) -> tuple[str, list[str]]:
    user_id = id_of(record.get("user_id"), "user_id")
    if not user_id.strip():
        raise FieldError(f"user_id: expected text or a whole number, found {shown(record.get('user_id'))}")
    videos = record.get("videos")
    names = _names(videos) if isinstance(videos, str) else videos
    if not isinstance(names, list):
        raise FieldError(f"videos: expected a list of ids, found {shown(videos)}")
    ids = [id_of(name, "videos") for name in names]
    if not all(ids):
        raise FieldError(f"videos: expected ids, found {shown(names)}")
    return user_id, ids


def _names(cell: str) -> Any:
    """Return the ids of a cell: a JSON list, or ids joined with bars."""
    if not cell.lstrip().startswith("["):
        return [name for name in cell.strip().split("|") if name.strip()]
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return None
