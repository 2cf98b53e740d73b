"""Append-only file log of labelled videos that were added to, or removed from, a bundle after its training.

An update holds everything that lets the video vote in any bundle with the same encoders: its text, its tags as
written, and a unit row of each encoder. It does not depend on a bundle. The last update of a video counts, so a log
may be applied to a bundle that already has some of its videos, and may be applied twice.
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
LENGTH = struct.Struct("<I")  # bytes of the JSON header, which the rows follow as little-endian float32


@dataclass(frozen=True, slots=True, eq=False)
class AddedVideo:
    """A labelled video, encoded."""

    video: VideoRef  # without its uri: the rows hold the content of the media
    tags: tuple[str, ...]
    rows: Mapping[Modality, NDArray[np.float32]]  # (D,) unit, of the modalities that are present
    encoders: Mapping[Modality, str]  # fingerprint of the encoder of each row

    def embeddings(self, encoders: Mapping[Modality, str]) -> VideoEmbeddings:
        """Return the input of recall: the text, and the rows made by these encoders, by fingerprint."""
        rows: dict[str, NDArray[np.float32]] = {
            modality: row for modality, row in self.rows.items() if self.encoders[modality] == encoders.get(modality)
        }
        video = self.video
        return VideoEmbeddings(rows, title=video.title, description=video.description, uploader_id=video.uploader_id)


@dataclass(frozen=True, slots=True)
class RemovedVideo:
    """A labelled video that was removed from neighbour voting."""

    video_id: str


LabelledUpdate = AddedVideo | RemovedVideo


class LabelledFileLog:
    """An open log; one writer at a time."""

    def __init__(self, journal: Journal, updates: Iterable[LabelledUpdate]) -> None:
        """Used by `open`."""
        self._journal = journal
        self._latest = {video_id_of(update): update for update in updates}

    @classmethod
    def open(cls, path: Path) -> "LabelledFileLog":
        """Open a log, creating it if needed. Raises the errors of `Journal.open`."""
        journal, payloads = Journal.open(path)
        try:
            return cls(journal, [from_bytes(payload, path) for payload in payloads])
        except BaseException:  # also an interrupt: the journal holds a lock
            journal.close()
            raise

    def __enter__(self) -> "LabelledFileLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    @property
    def latest(self) -> Mapping[str, LabelledUpdate]:
        """Return the last update of each video."""
        return self._latest

    def append(self, update: LabelledUpdate) -> None:
        """Return once the update is on the disk; raises OutputUnwritableError otherwise."""
        self._journal.append(to_bytes(update))
        self._latest[video_id_of(update)] = update


def read_labelled_log(path: Path) -> dict[str, LabelledUpdate]:
    """Read the last update of each video; another process may append at the same time.

    Raises ArtifactNotFoundError, ArtifactCorruptError.
    """
    try:
        payloads, _ = read_journal(path)
    except OSError as error:
        raise ArtifactNotFoundError(
            f"{path} cannot be read: {error.strerror}", "create it with `videotag labelled add`"
        ) from error
    updates = [from_bytes(payload, path) for payload in payloads]
    return {video_id_of(update): update for update in updates}


def video_id_of(update: LabelledUpdate) -> str:
    """Return the id of the added or removed video."""
    return update.video.video_id if isinstance(update, AddedVideo) else update.video_id


def to_bytes(update: LabelledUpdate) -> bytes:
    """Serialise an update for a log."""
    if isinstance(update, RemovedVideo):
        return _packed({"format": FORMAT, "left": update.video_id}, b"")
    video = update.video
    header = {
        "format": FORMAT,
        "video_id": video.video_id,
        "title": video.title,
        "description": video.description,
        "uploader_id": video.uploader_id,
        "tags": update.tags,
        "rows": {modality: [len(row), update.encoders[modality]] for modality, row in update.rows.items()},
    }
    return _packed(header, b"".join(row.astype("<f4").tobytes() for row in update.rows.values()))


def from_bytes(payload: bytes, source: object) -> LabelledUpdate:
    """Deserialise an update; raises ArtifactCorruptError, with `source` in its message, for an invalid payload."""
    try:
        [length] = LENGTH.unpack_from(payload)
        start = LENGTH.size + length
        header = json.loads(payload[LENGTH.size : start])
        if header["format"] != FORMAT:
            raise ValueError(f"an entry of format {header['format']}, this videotag reads {FORMAT}")
        if "left" in header:
            return RemovedVideo(header["left"])
        values = np.frombuffer(payload[start:], "<f4").astype(np.float32)
        ends = np.cumsum([width for width, _ in header["rows"].values()])
        rows = dict(zip(header["rows"], np.split(values, ends), strict=False))
        if len(values) != (ends[-1] if len(ends) else 0):
            raise ValueError(f"{len(values)} values for the rows {header['rows']}")
        VideoEmbeddings(rows)  # raises for a row that is not of unit length
        video = VideoRef(header["video_id"], None, header["title"], header["description"], header["uploader_id"])
        encoders = {modality: fingerprint for modality, (_, fingerprint) in header["rows"].items()}
        return AddedVideo(video, tuple(header["tags"]), rows, encoders)
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise ArtifactCorruptError(
            f"{source} contains an invalid labelled video: {error}", "name another file"
        ) from error


def _packed(header: Mapping[str, object], rows: bytes) -> bytes:
    text = json.dumps(header).encode()
    return LENGTH.pack(len(text)) + text + rows
