"""Time spans of an answered tag."""

from itertools import pairwise

import numpy as np
import pytest

from tagging.pipeline.spans import GAP_S, merged_spans
from tagging.types import AnyModality, Evidence, TimeSpan


def evidence(*spans: TimeSpan) -> Evidence:
    return Evidence("c", "frame", 0.5, spans=spans)


def test_spans_of_one_modality_that_touch_become_one() -> None:
    seen = evidence(TimeSpan(4.0, 8.0, "frames", 0.25), TimeSpan(20.0, 24.0, "frames", 0.125))
    also_seen = evidence(TimeSpan(8.0, 12.0, "frames", 0.5), TimeSpan(1.0, 2.0, "audio", 0.75))
    assert merged_spans([seen, also_seen]) == (
        TimeSpan(1.0, 2.0, "audio", 0.75),
        TimeSpan(4.0, 12.0, "frames", 0.5),
        TimeSpan(20.0, 24.0, "frames", 0.125),
    )


def test_spans_of_different_modalities_stay_apart() -> None:
    both = (TimeSpan(0.0, 5.0, "screen", 0.5), TimeSpan(1.0, 2.0, "speech", 0.5))
    assert merged_spans([evidence(*both)]) == both


def test_a_span_inside_another_does_not_shorten_it() -> None:
    assert merged_spans([evidence(TimeSpan(0.0, 9.0, "speech", 0.1), TimeSpan(2.0, 3.0, "speech", 0.9))]) == (
        TimeSpan(0.0, 9.0, "speech", 0.9),
    )


def test_evidence_without_times_has_no_spans() -> None:
    assert merged_spans([Evidence("written", "text", 0.5, text="dog"), evidence()]) == ()


@pytest.mark.parametrize("seed", range(20))
def test_merged_spans_cover_the_same_moments_and_are_sorted_and_disjoint(seed: int) -> None:
    rng = np.random.default_rng(seed)
    modalities: tuple[AnyModality, ...] = ("frames", "speech")
    spans = [
        TimeSpan(start, start + length, modalities[which], 0.5)
        for start, length, which in zip(
            rng.uniform(0, 60, 12).tolist(), rng.uniform(0, 6, 12).tolist(), rng.integers(0, 2, 12), strict=True
        )
    ]
    merged = merged_spans([evidence(span) for span in spans])
    assert [span.start_s for span in merged] == sorted(span.start_s for span in merged)
    for modality in modalities:
        own = [span for span in merged if span.modality == modality]
        assert all(before.end_s + GAP_S <= after.start_s for before, after in pairwise(own))
        edges = [(span.start_s, span.end_s) for span in spans if span.modality == modality]
        for moment in np.arange(0, 70, 0.25).tolist():
            is_inside = any(start <= moment <= end for start, end in edges)
            is_within_gap = any(
                end <= moment <= start and start - end < GAP_S for _, end in edges for start, _ in edges
            )
            covered = any(span.start_s <= moment <= span.end_s for span in own)
            assert covered if is_inside else not covered or is_within_gap
