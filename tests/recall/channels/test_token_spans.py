"""Time spans of recognised tags."""

from itertools import pairwise

import numpy as np
import pytest

from recall.channels.token_spans import example_bounds, token_spans
from tagging.types import TimeSpan


def test_spans_are_the_runs_of_at_least_half_of_the_strongest() -> None:
    strengths = np.array([0.5, 0.375, 0.125, 0.25, 1e-3, 0.1875], np.float32)
    bounds = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 4.0], [4.0, 5.0], [5.0, 6.5]])
    assert token_spans(strengths, bounds, "frames") == (
        TimeSpan(0.0, 2.0, "frames", 0.5),
        TimeSpan(3.0, 4.0, "frames", 0.25),
    )


@pytest.mark.parametrize("seed", range(20))
def test_spans_cover_exactly_the_tokens_that_speak_for_the_tag(seed: int) -> None:
    rng = np.random.default_rng(seed)
    strengths = rng.uniform(0, 1, rng.integers(1, 30)).astype(np.float32)
    bounds = example_bounds(len(strengths))
    spans = token_spans(strengths, bounds, "audio")
    for (start, end), strength in zip(bounds.tolist(), strengths.tolist(), strict=True):
        inside = [span for span in spans if span.start_s <= start and end <= span.end_s]
        assert len(inside) == (strength >= 0.5 * strengths.max())
    assert all(before.end_s < after.start_s for before, after in pairwise(spans))
    assert max(span.strength for span in spans) == strengths.max()


def test_sound_examples_follow_each_other_without_a_gap() -> None:
    assert example_bounds(3).tolist() == [[0.0, 0.96], [0.96, 1.92], [1.92, 2.88]]
