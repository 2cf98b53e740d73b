"""Review session: the open video, its decisions, undo, and what the page shows; independent of HTTP.

Every decision is on disk before a method returns. Methods are thread-safe.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from tagging.config.root import SelectConfig
from tagging.errors import ConflictError, InvalidManifestError, InvalidRequestError
from tagging.inspection.page.values import FIRST_CHARACTERS, FIRST_ITEMS, Cutter
from tagging.inspection.review.decisions import VERDICTS, Decision, Draft, JudgedTag, ReviewedVideo, Verdict
from tagging.inspection.review.feedback_file import FeedbackFile
from tagging.inspection.review.feedback_lines import key_of, read_feedback
from tagging.inspection.review.preparation import Preparation, PreparedVideo
from tagging.inspection.review.suggestions import Spellings
from tagging.manifests.values import is_unicode
from tagging.text.normalise import normalise
from tagging.types import RankedTag, VideoRef

MAX_NAME = 200  # characters of a tag, as in SubmitFeedback
MAX_ADDED = 100  # tags of a video
SUGGESTIONS = 8


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of the feedback that a review has written."""

    videos: int  # confirmed since the start
    accepted: int
    rejected: int
    added: int
    in_file: int  # confirmed videos of the file, also by earlier reviews
    unreadable: int


class ReviewSession:
    """One editor's way through the videos."""

    def __init__(
        self,
        file: FeedbackFile,
        preparation: Preparation,
        spellings: Spellings,
        bundle_version: str,
        answered: SelectConfig,
        limit: int | None,
        clock: Callable[[], datetime],
    ) -> None:
        """Continue with the draft of the file, if there is one.

        bundle_version: of the tagger
        answered: selection of the tags that a user would get
        limit: videos to confirm at most; None: all
        clock: with a time zone
        Raises InvalidManifestError if the manifest lacks the video of the draft.
        """
        self._file = file
        self._preparation = preparation
        self._spellings = spellings
        self._bundle_version = bundle_version
        self._answered = answered
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._earlier = len(file.reviewed)
        self._turn = 0  # rises with each opened video, so that a key stroke meant for another one is refused
        self._video: VideoRef | None = None
        self._draft = Draft("")
        if file.draft is not None:
            if not preparation.knows(file.draft.video_id):
                raise InvalidManifestError(
                    f"{file.path} has an open video, {file.draft.video_id!r}, which the manifest lacks",
                    f"review the manifest that it was begun with, or remove {file.draft_path}",
                )
            self._open(preparation.take(file.draft.video_id), file.draft)

    def state(self) -> dict[str, Any]:
        """Return what the page shows, without the video, as JSON values."""
        with self._lock:
            return self._state()

    def video(self) -> dict[str, Any]:
        """Return the open video with its pictures, as JSON values; {} while there is none."""
        with self._lock:
            prepared = self._prepared()
            if prepared is None:
                return {}
            cutter = Cutter(FIRST_ITEMS, FIRST_CHARACTERS)
            video = prepared.video
            return {
                "turn": self._turn,
                "video_id": cutter.value(video.video_id, "video_id"),
                "title": cutter.value(video.title, "title"),
                "description": cutter.value(video.description, "description"),
                "duration_s": cutter.value(prepared.duration_s, "duration_s"),
                "modalities": cutter.value(prepared.answer.modalities, "modalities"),
                "warnings": cutter.value(prepared.answer.warnings, "warnings"),
                "frames": [{"time_s": frame.time_s, "uri": frame.uri} for frame in prepared.frames],
                "tags": [self._tag(rank, tag, cutter) for rank, tag in enumerate(prepared.answer.tags, 1)],
            }

    def suggest(self, text: str) -> dict[str, Any]:
        """Return catalog tags that start with the text, and whether the text itself would be a new tag."""
        found = self._spellings.starting_with(text[:MAX_NAME], SUGGESTIONS)
        is_new = bool(normalise(text[:MAX_NAME])) and self._spellings.named(text).tag_id is None
        return {"tags": [{"name": tag.name} for tag in found], "is_new": is_new}

    def decide(self, turn: int, key: str, verdict: Literal["accepted", "rejected"] | None) -> dict[str, Any]:
        """Accept or reject a tag of the answer or an added one; None withdraws the decision.

        Raises ConflictError for another turn, InvalidRequestError for a tag that is not shown, and what the file does.
        """
        with self._lock:
            prepared = self._require_open(turn)
            shown = {tag.tag_id: JudgedTag(tag.tag_id, tag.name) for tag in prepared.answer.tags}
            tags = {decision.key: decision.tag for decision in self._draft.decisions} | shown
            if key not in tags:
                raise InvalidRequestError("the video has no such tag", "load the page again")
            made: Verdict | None = verdict
            if key not in shown:
                made = "added" if verdict == "accepted" else None
            self._keep(self._draft.with_decision(Decision(key, tags[key], made)))
            return self._state()

    def add(self, turn: int, name: str) -> dict[str, Any]:
        """Add a tag by any spelling; one that the answer has is accepted. Raises as `decide` does."""
        with self._lock:
            prepared = self._require_open(turn)
            if not normalise(name) or len(name) > MAX_NAME or not is_unicode(name):
                raise InvalidRequestError(f"a tag has 1 to {MAX_NAME} visible characters", "type a shorter name")
            if len(self._draft.of_verdict("added")) >= MAX_ADDED:
                raise InvalidRequestError(f"{MAX_ADDED} tags were added to this video", "confirm it")
            tag = self._spellings.named(name)
            shown = {normalise(found.name): found for found in prepared.answer.tags}
            shown |= {found.tag_id: found for found in prepared.answer.tags}
            if (found := shown.get(key_of(tag), shown.get(normalise(tag.name)))) is not None:
                decision = Decision(found.tag_id, JudgedTag(found.tag_id, found.name), "accepted")
            else:
                decision = Decision(key_of(tag), tag, "added")
            self._keep(self._draft.with_decision(decision))
            return self._state()

    def confirm(self, turn: int) -> dict[str, Any]:
        """Write the feedback on the open video and open the next. Raises as `decide` does."""
        with self._lock:
            video = self._require_open(turn).video
            if video.uri is not None and "://" not in video.uri:
                video = replace(video, uri=str(Path.cwd() / video.uri))  # the file may be read from any folder
            at = self._clock().isoformat()
            self._file.confirm(ReviewedVideo(video, self._bundle_version, str(uuid4()), at, self._draft))
            self._video = None
            return self._state()

    def undo(self, turn: int) -> dict[str, Any]:
        """Drop the last decision about the open video; without one, open the last confirmed video again."""
        with self._lock:
            self._require_turn(turn)
            if self._draft.decisions and self._video is not None:
                self._keep(self._draft.without_last())
                return self._state()
            last = self._file.last_reviewed
            if last is None:
                raise InvalidRequestError("there is nothing to undo")
            if not self._preparation.knows(last):
                raise InvalidRequestError(f"the last reviewed video, {last!r}, is not in this manifest")
            reviewed = self._file.reopen()
            self._earlier = min(self._earlier, len(self._file.reviewed))
            if self._video is not None:
                self._preparation.put_back(self._video.video_id)
            assert reviewed is not None  # it was the last
            self._open(self._preparation.take(last), reviewed.draft)
            return self._state()

    def summary(self) -> Summary:
        with self._lock:
            written = list(islice(read_feedback(self._file.path), self._earlier, None))
            accepted, rejected, added = (
                sum(len(reviewed.draft.of_verdict(verdict)) for reviewed in written) for verdict in VERDICTS
            )
            in_file, unreadable = len(self._file.reviewed), self._preparation.counts().unreadable
            return Summary(len(written), accepted, rejected, added, in_file, unreadable)

    def _state(self) -> dict[str, Any]:
        may_open = self._video is None and not self._is_limit_reached() and self._preparation.error is None
        if may_open and (found := self._preparation.take_next()) is not None:
            self._open(found, Draft(found.video_id))
        prepared, counts = self._prepared(), self._preparation.counts()
        return {
            "turn": self._turn,
            "status": self._status(prepared, counts.untagged),
            "confirmed": len(self._file.reviewed) - self._earlier,
            "in_file": len(self._file.reviewed),
            "limit": self._limit,
            "waiting": counts.waiting,
            "untagged": counts.untagged,
            "unreadable": counts.unreadable,
            "can_undo": bool(self._draft.decisions and self._video is not None) or bool(self._file.reviewed),
            "decisions": [
                {"key": key, "name": made.tag.name, "is_new": made.tag.tag_id is None, "verdict": made.verdict}
                for key, made in self._draft.verdicts().items()
            ],
        }

    def _status(self, prepared: PreparedVideo | None, untagged: int) -> str:
        if prepared is not None:
            return "open"
        if self._preparation.error is not None:
            return "failed"
        if self._video is None and self._is_limit_reached():
            return "limit"
        return "preparing" if self._video is not None or untagged else "done"

    def _is_limit_reached(self) -> bool:
        return self._limit is not None and len(self._file.reviewed) - self._earlier >= self._limit

    def _prepared(self) -> PreparedVideo | None:
        return None if self._video is None else self._preparation.ready(self._video.video_id)

    def _open(self, video: VideoRef, draft: Draft) -> None:
        self._turn += 1
        self._video = video
        self._draft = draft

    def _keep(self, draft: Draft) -> None:
        self._file.keep(draft)
        self._draft = draft

    def _require_turn(self, turn: int) -> None:
        if turn != self._turn:
            raise ConflictError("another video is open meanwhile", "the page shows it now")

    def _require_open(self, turn: int) -> PreparedVideo:
        self._require_turn(turn)
        prepared = self._prepared()
        if prepared is None:
            raise ConflictError("the video is being prepared", "wait a moment")
        return prepared

    def _tag(self, rank: int, tag: RankedTag, cutter: Cutter) -> Mapping[str, Any]:
        is_answered = rank <= self._answered.max_tags and tag.confidence >= self._answered.min_confidence
        fields: dict[str, Any] = cutter.value(tag, "tag")
        return fields | {"key": tag.tag_id, "is_answered": is_answered}
