"""Inspections with every kind of content: drawn at random, or of a fixed form for tests of calls."""

import random
from collections.abc import Sequence
from typing import Any, TypeVar, get_args

from tagging.config.root import SelectConfig
from tagging.inspection.explanation import (
    Ablation,
    ChannelView,
    Explanation,
    Inspection,
    LookedAt,
    Outcome,
    Proposal,
    TagQuestion,
    TagTrace,
    Voter,
)
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.tagger import Tagger
from tagging.types import MODALITIES, PASSAGE_SOURCES, Evidence, Passage, TimeSpan, VideoRef

T = TypeVar("T")

TEXTS = ("", "guitar", "два\nряда", "🎬 \u202e\0 <script>", "a\tb", "x" * 300)


class Draws:
    """Random parts of inspections. Times are whole microseconds and strengths fit in 32 bits, as messages have them."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def inspection(self) -> Inspection:
        return Inspection(self.explanation(), self._some(self.question))

    def explanation(self) -> Explanation:
        return Explanation(
            video=VideoRef(
                f"v{self._count()}", self._maybe(self._text), self._text(), self._text(), self._maybe(self._text)
            ),
            bundle_version=self._text(),
            looked_at=self.looked_at(),
            channels=self._some(self.channel),
            union_size=self._count(),
            budget=self._maybe(self._count),
            min_confidence=self._rng.choice([0.0, self._number(), float("inf")]),
            max_tags=self._count(),
            tags=self._some(self.trace),
        )

    def looked_at(self) -> LookedAt:
        sources = self._rng.sample(PASSAGE_SOURCES, self._rng.randint(0, 2))
        return LookedAt(
            modalities=tuple(self._rng.sample((*MODALITIES, *PASSAGE_SOURCES), self._rng.randint(0, 5))),
            warnings=self._some(self._text),
            duration_s=self._maybe(self._time_s),
            frame_times_s=self._some(self._time_s),
            sound_s=self._time_s(),
            passages={source: self._some(self.passage) for source in sources},
        )

    def passage(self) -> Passage:
        start_s, end_s = self._times_s()
        return Passage(self._text(), start_s, end_s, self._number(), self._rng.choice(["", "en"]))

    def channel(self) -> ChannelView:
        return ChannelView(
            self._text(), self._rng.random() < 0.5, self._count(), self._some(self.proposal), self._count(),
            self._some(self.voter),
        )  # fmt: skip

    def proposal(self) -> Proposal:
        return Proposal(self._text(), self._text(), self._number(), self._maybe(self.evidence))

    def voter(self) -> Voter:
        return Voter(self._text(), self._text(), self._number(-1.0), self._some(self._text))

    def evidence(self) -> Evidence:
        start_s, end_s = self._times_s()
        kinds: list[dict[str, Any]] = [
            {"kind": "video", "video_id": self._text(), "title": self._text()},
            {"kind": "text", "text": self._text()},
            {"kind": "frame", "frame": 3, "frames": 16},
            {"kind": "frame", "frame": 1, "frames": 1, "start_s": start_s, "end_s": end_s},
            {"kind": "sound", "start_s": start_s, "end_s": self._maybe(lambda: end_s)},
            {"kind": "speech", "text": self._text(), "start_s": start_s, "end_s": end_s},
            {"kind": "screen", "text": self._text(), "start_s": start_s, "end_s": end_s},
            {"kind": "uploader", "text": self._text()},
        ]
        kind = self._rng.choice(kinds)
        return Evidence(self._text(), similarity=self._strength(-1.0), spans=self._some(self.span), **kind)

    def span(self) -> TimeSpan:
        modality = self._rng.choice((*MODALITIES, *PASSAGE_SOURCES))
        return TimeSpan(*self._times_s(), modality, self._strength())

    def trace(self) -> TagTrace:
        names = [f"channel {number}" for number in range(self._rng.randint(0, 4))]
        return TagTrace(
            tag_id=self._text(),
            name=self._text(),
            is_new=self._rng.random() < 0.5,
            outcome=self._outcome(),
            channels={name: self._number() for name in names},
            channel_ranks={name: self._count() for name in names},
            recall_probability=self._maybe(self._number),
            recall_rank=self._maybe(self._count),
            recall_contributions={name: self._number(-9.0) for name in names},
            confidence=self._maybe(self._number),
            rank=self._maybe(self._count),
            contributions={name: self._number(-9.0) for name in (*names, "bias", "")},
            implied_by=self._maybe(self._text),
            evidence=self._some(self.evidence),
            spans=self._some(self.span),
        )

    def question(self) -> TagQuestion:
        return TagQuestion(
            self._text(), self._maybe(self.trace), self._outcome(), self._text(), self._text(),
            self._some(self.ablation),
        )  # fmt: skip

    def ablation(self) -> Ablation:
        kind = self._rng.choice(get_args(Ablation.__annotations__["kind"]))
        return Ablation(kind, self._text(), self._text(), self._maybe(self._number), self._outcome())

    def _outcome(self) -> Outcome:
        outcome: Outcome = self._rng.choice(get_args(Outcome))
        return outcome

    def _some(self, draw: Any) -> tuple[Any, ...]:
        return tuple(draw() for _ in range(self._rng.choice([0, 1, 1, 2, 3])))

    def _maybe(self, draw: Any) -> Any:
        return draw() if self._rng.random() < 0.6 else None

    def _text(self) -> str:
        return self._rng.choice(TEXTS)

    def _count(self) -> int:
        return self._rng.choice([0, 1, self._rng.randrange(2**31)])

    def _number(self, low: float = 0.0) -> float:
        return self._rng.choice([0.0, 1.0, self._rng.uniform(low, 1.0)])

    def _strength(self, low: float = 0.0) -> float:
        return self._rng.randint(round(low * 2**20), 2**20) / 2**20

    def _time_s(self) -> float:
        return self._rng.choice([0, self._rng.randrange(10**11)]) / 1e6

    def _times_s(self) -> tuple[float, float]:
        start_s, end_s = sorted((self._time_s(), self._time_s()))
        return start_s, end_s


def fixed_inspection(tagger: Tagger, video: ReadVideo, selection: SelectConfig, queries: Sequence[str]) -> Inspection:
    """Explain a video as `inspect_video` would, without any model: for tests of what surrounds it."""
    duration_s = None if video.media is None else video.media.duration_s
    looked_at = LookedAt(("text",), video.warnings, duration_s, (), 0.0, {})
    explanation = Explanation(
        video.video, tagger.bundle_version, looked_at, (), 0, None, selection.min_confidence, selection.max_tags, ()
    )
    return Inspection(
        explanation,
        tuple(TagQuestion(query, None, "unknown", f"No tag is spelt {query}.", "", ()) for query in queries),
    )
