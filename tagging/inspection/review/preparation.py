"""Preparation of videos for an editor: one thread tags them while the editor looks at another.

Every video is tagged once in a random order, so those tagged so far are a sample of all, and the most useful of them
is next. Pictures and evidence are kept of few: of the AHEAD next, and of the KEPT last shown. A video that enters these
later is tagged again.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tagging.inspection.page.pictures import Thumbnail, thumbnails
from tagging.inspection.review.order import review_priorities
from tagging.media.read_ahead import Failure, ReadVideo
from tagging.types import RankedTags, VideoRef

logger = logging.getLogger(__name__)

AHEAD = 4  # videos that are ready before the editor asks for them
KEPT = 8  # shown videos that undo finds ready
MAX_TAGS = 24  # of a video that an editor sees and the order looks at


class ReviewTagger(Protocol):
    """The tagger, as the preparation uses it: in one thread."""

    def read(self, videos: Iterable[VideoRef]) -> Iterator[list[ReadVideo | Failure]]:
        """Yield the videos in batches, in order, with their media decoded."""

    def tag(self, videos: Sequence[ReadVideo]) -> list[RankedTags | Failure]:
        """Return at most MAX_TAGS tags of each video, best first, however small their confidence."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedVideo:
    """A video ready to be shown."""

    video: VideoRef
    answer: RankedTags
    frames: tuple[Thumbnail, ...]
    duration_s: float | None  # None without media


@dataclass(frozen=True, slots=True)
class Counts:
    """Progress of the preparation."""

    tagged: int
    waiting: int  # tagged and not yet taken
    untagged: int  # including those in work
    unreadable: int


class Preparation:
    """The videos of a review by priority; methods are thread-safe. A context manager around its thread."""

    def __init__(
        self,
        videos: Sequence[VideoRef],
        done: Iterable[str],
        tagger: ReviewTagger,
        tag_rows: Mapping[str, int],
        min_confidence: float,
        rng: np.random.Generator,
    ) -> None:
        """Prepare V videos.

        done: ids of videos that were reviewed before; unknown ones are ignored
        tag_rows: the N tags of the catalog, by id
        min_confidence: least confidence of an answered tag
        """
        self._videos = videos
        self._row_of = {video.video_id: row for row, video in enumerate(videos)}
        self._tagger = tagger
        self._tag_rows = tag_rows
        self._min_confidence = min_confidence
        self._confidences = np.zeros((len(videos), MAX_TAGS), np.float32)
        self._tags = np.full((len(videos), MAX_TAGS), -1, np.int32)
        self._is_waiting = np.zeros(len(videos), np.bool_)  # tagged and not taken
        self._is_taken = np.zeros(len(videos), np.bool_)
        self._is_taken[[self._row_of[video_id] for video_id in done if video_id in self._row_of]] = True
        self._is_pending = ~self._is_taken  # to be tagged, or in work
        self._untagged = iter(rng.permutation(len(videos)).tolist())
        self._priorities: list[int] | None = None  # rows of the waiting videos, best first; None: to be computed
        self._counts = [0, 0]  # tagged, unreadable
        self._ready: OrderedDict[int, PreparedVideo] = OrderedDict()  # the oldest first
        self._wanted: int | None = None  # shown, and not ready
        self._shown: list[int] = []  # the last KEPT
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="review-tagger", daemon=True)

    def __enter__(self) -> "Preparation":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after the batch in progress."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def error(self) -> BaseException | None:
        """The unexpected error that ended the thread."""
        return self._error

    def counts(self) -> Counts:
        with self._changed:
            return Counts(self._counts[0], int(self._is_waiting.sum()), int(self._is_pending.sum()), self._counts[1])

    def knows(self, video_id: str) -> bool:
        return video_id in self._row_of

    def take_next(self) -> VideoRef | None:
        """Return the most useful video that is tagged and not taken; None while there is none."""
        with self._changed:
            best = self._best(1)
            return self._take(best[0]) if best else None

    def take(self, video_id: str) -> VideoRef:
        """Return a video that was in use before; KeyError for an unknown one."""
        with self._changed:
            return self._take(self._row_of[video_id])

    def put_back(self, video_id: str) -> None:
        """Let a taken video wait again."""
        with self._changed:
            row = self._row_of[video_id]
            self._is_taken[row] = False
            self._is_waiting[row] = True
            self._priorities = None
            self._changed.notify_all()

    def ready(self, video_id: str) -> PreparedVideo | None:
        """Return a taken video with its answer and pictures; None while the thread prepares it."""
        with self._changed:
            return self._ready.get(self._row_of[video_id])

    def _take(self, row: int) -> VideoRef:
        self._is_waiting[row] = False
        self._is_taken[row] = True
        self._priorities = None
        self._shown = [*(shown for shown in self._shown if shown != row), row][-KEPT:]
        self._wanted = None if row in self._ready else row
        self._changed.notify_all()
        return self._videos[row]

    def _best(self, count: int) -> list[int]:
        """Return the waiting videos of the highest priority, best first."""
        if self._priorities is None:
            rows = np.flatnonzero(self._is_waiting)
            found = review_priorities(
                self._confidences[rows], self._tags[rows], len(self._tag_rows), self._min_confidence
            )
            self._priorities = rows[np.argsort(-found, kind="stable")].tolist()
        return self._priorities[:count]

    def _run(self) -> None:
        try:
            batches = self._tagger.read(self._next_untagged())
            while not self._wait_for_work():
                row = self._unprepared()
                self._work(next(batches) if row is None else next(self._tagger.read([self._videos[row]])))
        except BaseException as error:
            logger.exception("the tagger of the review stopped")
            self._error = error

    def _wait_for_work(self) -> bool:
        """Return False once there is something to tag, True when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_pending.any() or self._unprepared_row() is not None)
            return self._closed

    def _next_untagged(self) -> Iterator[VideoRef]:
        for row in self._untagged:
            with self._changed:
                if self._closed:
                    return
                is_pending = self._is_pending[row]
            if is_pending:
                yield self._videos[row]

    def _unprepared(self) -> int | None:
        with self._changed:
            return self._unprepared_row()

    def _unprepared_row(self) -> int | None:
        if self._wanted is not None:
            return self._wanted
        return next((row for row in self._best(AHEAD) if row not in self._ready), None)

    def _work(self, batch: Sequence[ReadVideo | Failure]) -> None:
        read = [video for video in batch if isinstance(video, ReadVideo)]
        answers = self._tagger.tag(read)
        with self._changed:
            for video, answer in zip(read, answers, strict=True):
                if isinstance(answer, RankedTags):
                    self._score(self._row_of[video.video.video_id], answer)
                else:
                    self._fail(answer)
            for failure in batch:
                if isinstance(failure, Failure):
                    self._fail(failure)
            keep = {*self._best(AHEAD), *self._shown}
        for video, answer in zip(read, answers, strict=True):
            row = self._row_of[video.video.video_id]
            if row in keep and isinstance(answer, RankedTags):
                self._keep(row, _prepared(video, answer))

    def _score(self, row: int, answer: RankedTags) -> None:
        tags = answer.tags[:MAX_TAGS]
        self._is_pending[row] = False
        self._priorities = None
        self._confidences[row, : len(tags)] = [tag.confidence for tag in tags]
        self._tags[row, : len(tags)] = [self._tag_rows.get(tag.tag_id, -1) for tag in tags]
        if not self._is_taken[row] and not self._is_waiting[row]:
            self._is_waiting[row] = True
            self._counts[0] += 1

    def _fail(self, failure: Failure) -> None:
        """Leave a video out; one that the editor waits for is shown without tags, with the reason."""
        row = self._row_of[failure.video.video_id]
        self._is_pending[row] = False
        self._priorities = None
        if row == self._wanted:
            answer = RankedTags(failure.video.video_id, (), (), (failure.error.message,), "")
            self._keep(row, PreparedVideo(failure.video, answer, (), None))
            return
        self._is_waiting[row] = False
        self._counts[1] += 1
        logger.warning("%s is left out: %s", failure.video.video_id, failure.error.message)

    def _keep(self, row: int, prepared: PreparedVideo) -> None:
        with self._changed:
            self._ready[row] = prepared
            if row == self._wanted:
                self._wanted = None
            kept = {*self._best(AHEAD), *self._shown}
            for old in [old for old in self._ready if old not in kept]:
                del self._ready[old]


def _prepared(video: ReadVideo, answer: RankedTags) -> PreparedVideo:
    media = video.media
    frames = () if media is None or media.frames is None else thumbnails(media.frames)
    return PreparedVideo(video.video, answer, frames, None if media is None else media.duration_s)
