"""Reports of made-up topics for the map: of every direction and fate, in several scripts."""

from collections.abc import Sequence

import numpy as np

from tagging.topics.model import Topic, TopicGroup
from tagging.topics.naming import Example
from tagging.topics.trend_report import TopicChange, TrendReport
from tagging.topics.trends import Direction, Trend
from tagging.types import FloatRows

GROUPS = (TopicGroup("animals", ("animals",), (1, 2, 3)), TopicGroup("кино", ("кино",), (4, 5, 6)))
NAMES = ("cats, kitten, purring", "dogs, puppy", "馬, 乗馬", "кино, фильм", "trailers, cinema", "أغاني, موسيقى")
DIRECTIONS: tuple[Direction, ...] = ("rising", "falling", "steady", "steady", "rising", "steady")


def topic_of(number: int, name: str, videos: int, titles: Sequence[str] = ()) -> Topic:
    examples = tuple(Example(f"v{number}-{row}", title, 0.9) for row, title in enumerate(titles))
    return Topic(number, name, tuple(name.split(", ")), videos, examples, {"en": 0.75, "de": 0.25}, (number - 1) % 2)


def trend_of(direction: Direction) -> Trend:
    before, after = {"rising": (20, 60), "falling": (60, 20), "steady": (40, 41)}[direction]
    return Trend(before, after, after / before, 0.001 if direction != "steady" else 0.8, direction)


def drawn_report(names: Sequence[str] = NAMES, *, with_trends: bool = True) -> TrendReport:
    """Return a report of topics with these names; the first is the largest, the last was born."""
    changes = []
    for number, name in enumerate(names, 1):
        is_last = number == len(names)
        titles = (f"{name} in a title", f"another video of {name}", "")
        changes.append(
            TopicChange(
                topic_of(number, name, 900 // number, titles),
                "born" if is_last else "continued",
                None if is_last else 0.25,
                trend_of(DIRECTIONS[(number - 1) % len(DIRECTIONS)]) if with_trends else None,
                trend_of("steady") if with_trends and number == 1 else None,
            )
        )
    ended = (topic_of(99, "fidget spinners", 12),)
    return TrendReport("20260302T000000Z-0000abcd", "20260301T000000Z-0000abcd", tuple(changes), ended, ())


def drawn_centres(count: int, seed: int = 1) -> FloatRows:
    rows: FloatRows = np.random.default_rng(seed).standard_normal((count, 12)).astype(np.float32)
    return rows
