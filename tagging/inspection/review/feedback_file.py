"""Feedback file of a review: a JSONL manifest with one whole line for each confirmed video (feedback_lines.py).

`videotag train --manifest` reads the file at any moment. A line is durable once `confirm` has returned. Undo cuts off
the last line. The decisions about the open video are in a hidden file next to it, the draft, which is replaced as a
whole at each key stroke. Lines win over the draft: a kill between the two writes of `confirm` or `reopen` leaves both,
and the draft is dropped. One process at a time holds the lock of the file.
"""

import json
import logging
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from tagging.errors import ArtifactCorruptError, BusyError, OutputUnwritableError
from tagging.files.appended import AppendedFile, sync_folder, unwritable
from tagging.inspection.review.decisions import Decision, Draft, JudgedTag, ReviewedVideo
from tagging.inspection.review.feedback_lines import parsed, to_json

logger = logging.getLogger(__name__)


class FeedbackFile:
    """An open feedback file; a context manager that holds its lock."""

    def __init__(self, file: AppendedFile, starts: dict[str, int]) -> None:
        """Used by `open`; starts: offset of each video's line, in the order of the file."""
        self._file = file
        self._starts = starts
        self.draft = self._read_draft()

    @classmethod
    def open(cls, path: Path) -> "FeedbackFile":
        """Open or create a file and lock it. A torn last line, as a kill leaves it, is cut off with a warning.

        Raises BusyError if another process has it open, ArtifactCorruptError for a file with other lines,
        OutputUnwritableError.
        """
        if path.exists() and not path.is_file():
            raise OutputUnwritableError(f"{path} is no file", "name another --out")
        busy = BusyError(f"another review is writing {path}", "let it end, or review into another file with --out")
        file, starts = AppendedFile.open(path, busy, _load)
        try:
            return cls(file, starts)
        except BaseException:  # also an interrupt: the lock ends with the file
            file.close()
            raise

    def __enter__(self) -> "FeedbackFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def draft_path(self) -> Path:
        return self.path.with_name(f".{self.path.name}.draft")

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
        start = self._file.end
        self._file.append(line)
        self._starts[reviewed.video.video_id] = start
        self._drop_draft()

    def reopen(self) -> ReviewedVideo | None:
        """Turn the last confirmed video into the draft and return it; None if there is none."""
        if not self._starts or self._file.closed:
            return None
        video_id, start = next(reversed(self._starts.items()))
        last = parsed(self._file.read(start, self._file.end - start))
        if last is None:
            raise ArtifactCorruptError(f"{self.path}: its last line was changed meanwhile", "start the review again")
        self._write_draft(last.draft)
        self._file.cut(start)
        del self._starts[video_id]
        self.draft = last.draft
        return last

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
            sync_folder(self.path.parent)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise unwritable(self.draft_path, error) from error

    def _drop_draft(self) -> None:
        with suppress(OSError):  # the next review drops it: its video has a line
            self.draft_path.unlink(missing_ok=True)
        self.draft = None


def _load(file: AppendedFile) -> dict[str, int]:
    """Return the offset of each video's line; a torn last line is cut off."""
    starts: dict[str, int] = {}
    end = 0
    with file.path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n") and end + len(line) == file.end:
                break
            reviewed = parsed(line)
            if reviewed is None or reviewed.video.video_id in starts:
                raise ArtifactCorruptError(
                    f"{file.path}: line {number} is no feedback of videotag review", "name another file with --out"
                )
            starts[reviewed.video.video_id] = end
            end += len(line)
    if end < file.end:
        _require_own_tail(file, end)
        logger.warning("%s: the last line was torn, its %d bytes were cut off", file.path, file.end - end)
        file.cut(end)
    return starts


def _require_own_tail(file: AppendedFile, end: int) -> None:
    """Raise ArtifactCorruptError unless the bytes after `end` can be the begin of a line of this format."""
    begin = b'{"video_id": "'
    tail = file.read(end, len(begin))
    if not begin.startswith(tail) and any(tail):  # a power cut may leave zeros
        raise ArtifactCorruptError(f"{file.path} is no feedback of videotag review", "name another file with --out")
