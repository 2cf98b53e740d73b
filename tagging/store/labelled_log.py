"""Labelled videos that came after a bundle was made, and those that left: a log that is only added to.

An entry holds all that is needed to let the video vote in any bundle of the same encoders: text, tags as people wrote
them, and a unit row of each encoder. Nothing in it depends on a bundle. The last entry of a video counts, so a log may
be applied to a bundle that has some of its videos already, and applied twice.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.errors import ArtifactCorruptError, ArtifactNotFoundError
from tagging.store.journal import Journal, read_journal
from tagging.types import Modality, VideoEmbeddings, VideoRef

FORMAT = 1
LENGTH = struct.Struct("<I")  # of the JSON, behind which stand the rows, little-endian float32


@dataclass(frozen=True, slots=True, eq=False)
class AddedVideo:
    video: VideoRef  # without its uri: what was in the media is in the rows
    tags: tuple[str, ...]
    rows: Mapping[Modality, NDArray[np.float32]]  # (D,) unit, of the modalities that were there
    encoders: Mapping[Modality, str]  # fingerprint of what made each row

    def embeddings(self, encoders: Mapping[Modality, str]) -> VideoEmbeddings:
        """What recall looks at, without the rows of other encoders than these."""
        rows: dict[str, NDArray[np.float32]] = {
            view: row for view, row in self.rows.items() if self.encoders[view] == encoders.get(view)
        }
        video = self.video
        return VideoEmbeddings(rows, title=video.title, description=video.description, uploader_id=video.uploader_id)


@dataclass(frozen=True, slots=True)
class RemovedVideo:
    video_id: str


LabelledUpdate = AddedVideo | RemovedVideo


class LabelledFileLog:
    """An open log; one writer at a time."""

    def __init__(self, journal: Journal, entries: Iterable[LabelledUpdate]) -> None:
        """For `open`."""
        self._journal = journal
        self._latest = {video_id_of(entry): entry for entry in entries}

    @classmethod
    def open(cls, path: Path) -> "LabelledFileLog":
        """The log, a new one where there is none; raises as `Journal.open` does."""
        journal, payloads = Journal.open(path)
        try:
            return cls(journal, [from_bytes(payload, path) for payload in payloads])
        except BaseException:
            journal.close()
            raise

    def __enter__(self) -> "LabelledFileLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    @property
    def latest(self) -> Mapping[str, LabelledUpdate]:
        """By video, what counts of it."""
        return self._latest

    def append(self, entry: LabelledUpdate) -> None:
        """Returns once the entry is on the disk; OutputUnwritableError otherwise."""
        self._journal.append(to_bytes(entry))
        self._latest[video_id_of(entry)] = entry


def read_labelled_log(path: Path) -> dict[str, LabelledUpdate]:
    """By video, what counts of it; ArtifactNotFoundError, ArtifactCorruptError. The log may be written meanwhile."""
    try:
        payloads, _ = read_journal(path)
    except OSError as error:
        raise ArtifactNotFoundError(
            f"{path} cannot be read: {error.strerror}", "make it with `videotag labelled add`"
        ) from error
    entries = [from_bytes(payload, path) for payload in payloads]
    return {video_id_of(entry): entry for entry in entries}


def video_id_of(entry: LabelledUpdate) -> str:
    return entry.video.video_id if isinstance(entry, AddedVideo) else entry.video_id


def to_bytes(entry: LabelledUpdate) -> bytes:
    if isinstance(entry, RemovedVideo):
        return _packed({"format": FORMAT, "left": entry.video_id}, b"")
    video = entry.video
    said = {
        "format": FORMAT,
        "video_id": video.video_id,
        "title": video.title,
        "description": video.description,
        "uploader_id": video.uploader_id,
        "tags": entry.tags,
        "rows": {view: [len(row), entry.encoders[view]] for view, row in entry.rows.items()},
    }
    return _packed(said, b"".join(row.astype("<f4").tobytes() for row in entry.rows.values()))


def from_bytes(payload: bytes, source: object) -> LabelledUpdate:
    """source: what the payload stands in, for the ArtifactCorruptError where it is no entry."""
    try:
        [length] = LENGTH.unpack_from(payload)
        start = LENGTH.size + length
        said = json.loads(payload[LENGTH.size : start])
        if said["format"] != FORMAT:
            raise ValueError(f"an entry of format {said['format']}, this videotag reads {FORMAT}")
        if "left" in said:
            return RemovedVideo(said["left"])
        values = np.frombuffer(payload[start:], "<f4").astype(np.float32)
        ends = np.cumsum([width for width, _ in said["rows"].values()])
        rows = dict(zip(said["rows"], np.split(values, ends), strict=False))
        if len(values) != (ends[-1] if len(ends) else 0):
            raise ValueError(f"{len(values)} values of rows {said['rows']}")
        VideoEmbeddings(rows)  # raises where a row is no unit row
        video = VideoRef(said["video_id"], None, said["title"], said["description"], said["uploader_id"])
        return AddedVideo(
            video, tuple(said["tags"]), rows, {view: made_by for view, (_, made_by) in said["rows"].items()}
        )
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise ArtifactCorruptError(f"{source} holds what is no labelled video: {error}", "name another file") from error


def _packed(said: Mapping[str, object], rows: bytes) -> bytes:
    text = json.dumps(said).encode()
    return LENGTH.pack(len(text)) + text + rows
