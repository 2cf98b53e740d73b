"""Traces of tags: the figures of each stage for some of the tags of a decided video."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from recall.topk import top_k
from tagging.inspection.decision import DecidedVideo, position_of
from tagging.inspection.explanation import TagTrace
from tagging.pipeline.answer import evidence_of, id_of
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.spans import merged_spans
from tagging.types import ChannelTags, Evidence


def trace_tags(video: DecidedVideo, rows: Sequence[int], recall_stage: RecallStage) -> list[TagTrace]:
    """Return the traces of tags by their rows, proposed or not, in the order of the rows."""
    evidence = evidence_of(video.recalled.united, np.array(rows, np.int64), recall_stage)
    by_channel = {name: _places(tags) for name, tags in video.recalled.proposed.items()}
    recall_ranks = _recall_ranks(video)
    recall_contributions = _recall_contributions(video, rows, recall_stage)
    ranks = {position: rank for rank, position in enumerate(video.order.tolist(), 1)}
    return [
        _trace(video, row, evidence[row], by_channel, recall_ranks.get(row), recall_contributions.get(row, {}), ranks)
        for row in rows
    ]


def _trace(
    video: DecidedVideo,
    row: int,
    evidence: Sequence[Evidence],
    by_channel: Mapping[str, Mapping[int, tuple[int, float]]],
    recall_rank: int | None,
    recall_contributions: Mapping[str, float],
    ranks: Mapping[int, int],
) -> TagTrace:
    """Return the trace of one tag; ranks: of the positions, by confidence"""
    united, outcome = video.recalled.united, video.outcome(row)
    position = position_of(row, video.candidates.tag_rows)
    recalled_at = None if united.probabilities is None else position_of(row, united.tag_rows)
    places = {channel: found[row] for channel, found in by_channel.items() if row in found}
    contributions = {} if position is None else video.scores.contributions
    return TagTrace(
        tag_id=id_of(united, row, video.catalog),
        name=united.name_of(row, video.catalog.names),
        is_new=united.is_new(row),
        outcome=outcome,
        channels={channel: score for channel, (_, score) in places.items()},
        channel_ranks={channel: rank for channel, (rank, _) in places.items()},
        recall_probability=None if recalled_at is None else float(_probabilities(video)[recalled_at]),
        recall_rank=recall_rank,
        recall_contributions=recall_contributions,
        confidence=video.confidence(row),
        rank=None if position is None else ranks[position],
        contributions={name: float(terms[position]) for name, terms in contributions.items()},
        implied_by=video.name(video.implied[row]) if outcome == "implied" else None,
        evidence=tuple(replace(piece, spans=()) for piece in evidence),
        spans=merged_spans(evidence),
    )


def _places(tags: ChannelTags | None) -> dict[int, tuple[int, float]]:
    """Return rank and score of each tag that a channel proposed, by row."""
    if tags is None:
        return {}
    ranked = enumerate(zip(tags.tag_rows.tolist(), tags.scores.tolist(), strict=True), 1)
    return {row: (rank, score) for rank, (row, score) in ranked}


def _probabilities(video: DecidedVideo) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    probabilities = video.recalled.united.probabilities
    assert probabilities is not None
    return probabilities


def _recall_ranks(video: DecidedVideo) -> dict[int, int]:
    """Return the rank by recall's probability of every united candidate, by row; empty without a fusion."""
    united = video.recalled.united
    if united.probabilities is None:
        return {}
    order = top_k(united.probabilities, united.tag_rows, len(united.tag_rows))
    return {row: rank for rank, row in enumerate(united.tag_rows[order].tolist(), 1)}


def _recall_contributions(
    video: DecidedVideo, rows: Sequence[int], recall_stage: RecallStage
) -> dict[int, dict[str, float]]:
    """Return what each input added to recall's probability, by row; without rows that were not united."""
    united, fusion = video.recalled.united, recall_stage.fusion
    if fusion is None:
        return {}
    found = {row: position_of(row, united.tag_rows) for row in rows}
    positions = {row: position for row, position in found.items() if position is not None}
    at = np.array([*positions.values()], np.int64)
    values = fusion.contributions(united, video.encoded.embeddings.text, at)
    return {row: {name: float(added[index]) for name, added in values.items()} for index, row in enumerate(positions)}
