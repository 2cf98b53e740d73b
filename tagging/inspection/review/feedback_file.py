"""Feedback file of a review: a JSONL manifest with one whole line for each confirmed video.

    {"video_id": …, "uri": …, "title": …, "tags": [accepted and added], "rejected": […], "feedback": {…}}

The fields before `feedback` are those of `videotag feedback export`, so `videotag train --manifest` reads the file at
any moment; `feedback` has the ids and versions that `videotag feedback import` stores. A line is durable once `confirm`
has returned. Undo cuts off the last line. The decisions about the open video are in a hidden file next to it, the
draft, which is replaced as a whole at each key stroke. Lines win over the draft: a kill between the two writes of
`confirm` or `reopen` leaves both, and the draft is dropped. One process at a time holds the lock of the file.
"""

import fcntl
import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from tagging.errors import ArtifactCorruptError, ArtifactNotFoundError, BusyError, OutputUnwritableError
from tagging.inspection.review.decisions import VERDICTS, Decision, Draft, JudgedTag, ReviewedVideo
from tagging.tags.catalog import tag_id
from tagging.text.normalise import normalise
from tagging.types import VideoRef

logger = logging.getLogger(__name__)

MAX_LINE = 16 * 2**20  # bytes; a video's description is the longest part


class FeedbackFile:
    """An open feedback file; a context manager that holds its lock."""

    def __init__(self, path: Path, file: FileIO) -> None:
        """Used by `open`, which holds the lock."""
        self._path = path
        self._file = file
        self._starts: dict[str, int] = {}  # offset of each video's line, in the order of the file
        self._end = 0
        self.draft: Draft | None = None

    @classmethod
    def open(cls, path: Path) -> "FeedbackFile":
        """Open or create a file and lock it. A torn last line, as a kill leaves it, is cut off with a warning.

        Raises BusyError if another process has it open, ArtifactCorruptError for a file with other lines,
        OutputUnwritableError.
        """
        if path.exists() and not path.is_file():
            raise OutputUnwritableError(f"{path} is no file", "name another --out")
        try:
            file = FileIO(path, "ab+")
        except OSError as error:
            raise OutputUnwritableError(f"{path} cannot be written: {error.strerror}", "name another --out") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = cls(path, file)
            found._load()
            return found
        except BlockingIOError as error:
            file.close()
            raise BusyError(
                f"another review is writing {path}", "let it end, or review into another file with --out"
            ) from error
        except OSError as error:
            file.close()
            raise OutputUnwritableError(f"{path} cannot be used: {error.strerror}", "look at its disk") from error
        except BaseException:  # also an interrupt: the lock ends with the file
            file.close()
            raise

    def __enter__(self) -> "FeedbackFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def path(self) -> Path:
        return self._path

    @property
    def draft_path(self) -> Path:
        return self._path.with_name(f".{self._path.name}.draft")

    @property
    def reviewed(self) -> Collection[str]:
        """The ids of the confirmed videos, oldest first."""
        return self._starts.keys()

    @property
    def last_reviewed(self) -> str | None:
        """The id of the video that `reopen` would return."""
        return next(reversed(self._starts), None)

    def keep(self, draft: Draft) -> None:
        """Return once the decisions about the open video are on disk; raises OutputUnwritableError."""
        self._write_draft(draft)
        self.draft = draft

    def confirm(self, reviewed: ReviewedVideo) -> None:
        """Append the feedback on a video and drop the draft; return once it is on disk.

        Raises OutputUnwritableError, after which the file is as before.
        """
        line = json.dumps(to_json(reviewed), ensure_ascii=False).encode("utf-8") + b"\n"
        if self._file.closed:
            raise OutputUnwritableError(f"{self._path} could not be written before", "start the review again")
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(f"took {written} of {len(line)} bytes")
            os.fsync(self._file)
        except OSError as error:
            self._cut(self._end)
            raise _unwritable(self._path, error) from error
        self._starts[reviewed.video.video_id] = self._end
        self._end += len(line)
        self._drop_draft()

    def reopen(self) -> ReviewedVideo | None:
        """Turn the last confirmed video into the draft and return it; None if there is none."""
        if not self._starts or self._file.closed:
            return None
        video_id, start = next(reversed(self._starts.items()))
        last = _parsed(os.pread(self._file.fileno(), self._end - start, start))
        if last is None:
            raise ArtifactCorruptError(f"{self._path}: its last line was changed meanwhile", "start the review again")
        self._write_draft(last.draft)
        self._cut(start)
        del self._starts[video_id]
        self._end = start
        self.draft = last.draft
        return last

    def _load(self) -> None:
        size = os.fstat(self._file.fileno()).st_size
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n") and self._end + len(line) == size:
                    break
                reviewed = _parsed(line)
                if reviewed is None or reviewed.video.video_id in self._starts:
                    raise ArtifactCorruptError(
                        f"{self._path}: line {number} is no feedback of videotag review", "name another file with --out"
                    )
                self._starts[reviewed.video.video_id] = self._end
                self._end += len(line)
        if self._end < size:
            self._require_own_tail(size)
            logger.warning("%s: the last line was torn, its %d bytes were cut off", self._path, size - self._end)
            self._cut(self._end)
        os.fsync(self._file)
        _sync_folder(self._path.parent)  # makes the name of a new file durable too
        self.draft = self._read_draft()

    def _require_own_tail(self, size: int) -> None:
        """Raise ArtifactCorruptError unless the last bytes can be the begin of a line of this format."""
        begin = b'{"video_id": "'
        tail = os.pread(self._file.fileno(), min(len(begin), size - self._end), self._end)
        if not begin.startswith(tail) and any(tail):  # a power cut may leave zeros
            raise ArtifactCorruptError(
                f"{self._path} is no feedback of videotag review", "name another file with --out"
            )

    def _read_draft(self) -> Draft | None:
        try:
            fields = json.loads(self.draft_path.read_bytes())
            draft = Draft(
                fields["video_id"],
                tuple(
                    Decision(made["key"], JudgedTag(made["tag_id"], made["name"]), made["verdict"])
                    for made in fields["decisions"]
                ),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactCorruptError(f"{self.draft_path} is damaged: {error}", "remove it") from error
        if draft.video_id in self._starts:
            self._drop_draft()
            return None
        return draft

    def _write_draft(self, draft: Draft) -> None:
        fields = {
            "video_id": draft.video_id,
            "decisions": [
                {"key": made.key, "tag_id": made.tag.tag_id, "name": made.tag.name, "verdict": made.verdict}
                for made in draft.decisions
            ],
        }
        partial = self.draft_path.with_name(f"{self.draft_path.name}.partial")  # only the holder of the lock writes it
        try:
            with partial.open("wb") as file:
                file.write(json.dumps(fields).encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.draft_path)
            _sync_folder(self._path.parent)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise _unwritable(self.draft_path, error) from error

    def _drop_draft(self) -> None:
        with suppress(OSError):  # the next review drops it: its video has a line
            self.draft_path.unlink(missing_ok=True)
        self.draft = None

    def _cut(self, end: int) -> None:
        try:
            self._file.truncate(end)
            os.fsync(self._file)
        except OSError as error:  # later lines would follow a torn one
            self._file.close()
            raise _unwritable(self._path, error) from error


def to_json(reviewed: ReviewedVideo) -> dict[str, Any]:
    """Return the line of a video."""
    video, draft = reviewed.video, reviewed.draft
    names = {verdict: [made.tag.name for made in draft.of_verdict(verdict)] for verdict in VERDICTS}
    texts = {"uri": video.uri, "title": video.title, "description": video.description, "uploader_id": video.uploader_id}
    return {
        "video_id": video.video_id,
        **{name: value for name, value in texts.items() if value},
        "tags": [*names["accepted"], *names["added"]],
        "rejected": names["rejected"],
        "feedback": {
            "feedback_id": reviewed.feedback_id,
            "bundle_version": reviewed.bundle_version,
            "at": reviewed.at,
            **{verdict: [_tag_json(made.tag) for made in draft.of_verdict(verdict)] for verdict in VERDICTS},
        },
    }


def from_json(line: Mapping[str, Any]) -> ReviewedVideo:
    """Return the video of a line; raises ValueError, KeyError or TypeError for other lines."""
    feedback = line["feedback"]
    decisions = tuple(
        Decision(key_of(tag), tag, verdict)
        for verdict in VERDICTS
        for tag in (JudgedTag(stored["tag_id"], stored["name"]) for stored in feedback[verdict])
    )
    texts = (line["video_id"], feedback["bundle_version"], feedback["feedback_id"], feedback["at"])
    texts += tuple(decision.tag.name for decision in decisions)
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError("a text is missing")
    video = VideoRef(
        line["video_id"], line.get("uri"), line.get("title", ""), line.get("description", ""), line.get("uploader_id")
    )
    draft = Draft(video.video_id, decisions)
    return ReviewedVideo(video, feedback["bundle_version"], feedback["feedback_id"], feedback["at"], draft)


def read_feedback(path: Path) -> Iterator[ReviewedVideo]:
    """Yield the videos of a feedback file; a torn last line is left out, another process may append meanwhile.

    Raises ArtifactCorruptError for a line of another format, ArtifactNotFoundError for a file that cannot be read.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                reviewed = _parsed(line)
                if reviewed is None:
                    raise ArtifactCorruptError(f"{path}: line {number} is no feedback of videotag review")
                yield reviewed
    except OSError as error:
        raise ArtifactNotFoundError(f"{path} cannot be read: {error.strerror}", "name a feedback file") from error


def key_of(tag: JudgedTag) -> str:
    """Return the key of a tag among those of a video: its id, or the id that a tag of its name would get."""
    return tag_id(normalise(tag.name)) if tag.tag_id is None else tag.tag_id


def _parsed(line: bytes) -> ReviewedVideo | None:
    if len(line) > MAX_LINE:
        return None
    try:
        return from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _tag_json(tag: JudgedTag) -> dict[str, str | None]:
    return {"tag_id": tag.tag_id, "name": tag.name}


def _unwritable(path: Path, error: OSError) -> OutputUnwritableError:
    return OutputUnwritableError(f"{path} cannot be written: {error.strerror or error}", "make room, then try again")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
