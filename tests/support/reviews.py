"""A review without models: a tagger that answers from a table, and sessions over it."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tagging.config.root import SelectConfig
from tagging.errors import InvalidMediaError
from tagging.inspection.review.feedback_file import FeedbackFile
from tagging.inspection.review.preparation import Preparation
from tagging.inspection.review.session import ReviewSession
from tagging.inspection.review.suggestions import Spellings
from tagging.media.read_ahead import Failure, ReadVideo
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.types import Evidence, MediaSample, RankedTag, RankedTags, TimeSpan, VideoRef
from tests.support.clocks import NOW
from tests.support.polling import wait_until

VERSION = "bundle-1"
THRESHOLD = 0.5
NAMES = ("dog", "cat", "car", "guitar", "Guitar Hero", "sea", "beach")


def catalog() -> TagCatalog:
    """Return NAMES, of which the first is used most, with "puppy" as an alias of "dog"."""
    videos = [list(NAMES[: at + 1]) for at in range(len(NAMES))] + [["puppy"]]
    return build_catalog(videos, same_as={"puppy": "dog"})[0]


class TableTagger:
    """Answers videos from a table of confidences by tag name; one batch for each video.

    A video without an entry fails. Tagging waits while `gate` is cleared.
    """

    def __init__(
        self, answers: Mapping[str, Mapping[str, float]], media: MediaSample | None = None, evidence: str = "dog"
    ) -> None:
        self.answers = dict(answers)
        self.tagged: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self._media = media
        self._evidence = evidence

    def read(self, videos: Iterable[VideoRef]) -> Iterator[list[ReadVideo | Failure]]:
        for video in videos:
            if video.video_id in self.answers:
                yield [ReadVideo(video, self._media)]
            else:
                yield [Failure(video, InvalidMediaError(f"{video.video_id} is damaged"))]

    def tag(self, videos: Sequence[ReadVideo]) -> list[RankedTags | Failure]:
        self.gate.wait()
        self.tagged += [read.video.video_id for read in videos]
        return [self._answer(read.video) for read in videos]

    def _answer(self, video: VideoRef) -> RankedTags:
        ids = dict(zip(catalog().names, catalog().ids, strict=True))
        ranked = sorted(self.answers[video.video_id].items(), key=lambda item: -item[1])
        seen = TimeSpan(3.0, 7.5, "frames", 0.7)
        evidence = (
            Evidence("written", "text", 0.93, text=self._evidence),
            Evidence("seen", "frame", 0.71, frame=4, frames=8, start_s=4.5, end_s=6.0),
            Evidence("text", "video", 0.88, video_id="v-12", title=f"A video like {self._evidence}"),
        )
        tags = tuple(
            RankedTag(
                ids.get(name, f"id-{name}"), name, confidence, {"written": 0.9}, evidence, name not in ids, (seen,)
            )
            for name, confidence in ranked
        )
        return RankedTags(video.video_id, tags, ("text",), (), VERSION)


def videos(count: int) -> list[VideoRef]:
    """Return v0, v1, …"""
    return [VideoRef(f"v{number}", title=f"A dog at the beach, part {number}") for number in range(count)]


@contextmanager
def preparing(rows: Sequence[VideoRef], tagger: TableTagger, done: Iterable[str] = ()) -> Iterator[Preparation]:
    ids = {tag: row for row, tag in enumerate(catalog().ids)}
    with Preparation(rows, done, tagger, ids, THRESHOLD, np.random.default_rng(1)) as preparation:
        try:
            yield preparation
        finally:
            tagger.gate.set()


@contextmanager
def reviewing(
    path: Path, rows: Sequence[VideoRef], tagger: TableTagger, limit: int | None = None
) -> Iterator[ReviewSession]:
    """Open a file and a session over it, as `videotag review` does."""
    with FeedbackFile.open(path) as file, preparing(rows, tagger, file.reviewed) as preparation:
        answered = SelectConfig(max_tags=2, min_confidence=THRESHOLD)
        yield ReviewSession(file, preparation, Spellings.of(catalog()), VERSION, answered, limit, lambda: NOW)


def opened_turn(session: ReviewSession) -> int:
    """Wait until a video is open and return its turn."""
    wait_until(lambda: session.state()["status"] == "open")
    return int(session.state()["turn"])
