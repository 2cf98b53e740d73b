"""Time spans of an answered tag: the parts of the video that any of its evidence names, merged by modality."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tagging.types import Evidence, TimeSpan

GAP_S = 0.5  # spans that are less apart are one: speech pauses, and rounding of times


def merged_spans(evidence: Iterable[Evidence]) -> tuple[TimeSpan, ...]:
    """Return the spans of all pieces of evidence by start, those of one modality disjoint.

    Spans of one modality that overlap, or are less than GAP_S apart, become one with the larger strength.
    """
    spans = sorted((span for piece in evidence for span in piece.spans), key=lambda span: (span.start_s, span.end_s))
    merged: list[TimeSpan] = []
    for modality in sorted({span.modality for span in spans}):
        merged += _joined([span for span in spans if span.modality == modality])
    return tuple(sorted(merged, key=lambda span: (span.start_s, span.end_s, span.modality)))


def _joined(spans: Sequence[TimeSpan]) -> list[TimeSpan]:
    """Join spans of one modality, which come by start."""
    joined = [spans[0]]
    for span in spans[1:]:
        last = joined[-1]
        if span.start_s < last.end_s + GAP_S:
            joined[-1] = replace(last, end_s=max(last.end_s, span.end_s), strength=max(last.strength, span.strength))
        else:
            joined.append(span)
    return joined
