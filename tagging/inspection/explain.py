"""Explanation of a decided video: what was looked at, the channels, and the trace of every ranked candidate."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tagging.inspection.decision import DecidedVideo
from tagging.inspection.explanation import ChannelView, Explanation, LookedAt, Proposal, Voter
from tagging.inspection.traces import trace_tags
from tagging.media.read_ahead import ReadVideo
from tagging.messages import without_credentials
from tagging.pipeline.answer import id_of
from tagging.pipeline.models import EncodedVideo
from tagging.pipeline.recall_stage import RecallStage
from tagging.types import Candidates, ChannelTags, Evidence, Neighbours

PROPOSALS_SHOWN = 50  # of each channel
VOTERS_SHOWN = 10  # of each channel


def explain(read: ReadVideo, video: DecidedVideo, recall_stage: RecallStage, bundle_version: str) -> Explanation:
    """Return the explanation of a video.

    read: the media that `video` was encoded from
    """
    ranked = video.candidates.tag_rows[video.order].tolist()
    return Explanation(
        video=replace(read.video, uri=None if read.video.uri is None else without_credentials(read.video.uri)),
        bundle_version=bundle_version,
        looked_at=_looked_at(read, video.encoded),
        channels=tuple(
            _channel(name, tags, video.recalled.united, recall_stage) for name, tags in video.recalled.proposed.items()
        ),
        union_size=len(video.recalled.united.tag_rows),
        budget=None if recall_stage.fusion is None else recall_stage.budget,
        min_confidence=video.selection.min_confidence,
        max_tags=video.selection.max_tags,
        tags=tuple(trace_tags(video, ranked, recall_stage)),
    )


def _looked_at(read: ReadVideo, encoded: EncodedVideo) -> LookedAt:
    media = read.media
    frames, sound = (None, None) if media is None else (media.frames, media.sound)
    return LookedAt(
        modalities=encoded.embeddings.modalities,
        warnings=encoded.embeddings.warnings,
        duration_s=None if media is None else media.duration_s,
        frame_times_s=() if frames is None else tuple(frames.times_s.tolist()),
        sound_s=0.0 if sound is None else sound.duration_s,
        passages=encoded.embeddings.passages,
    )


def _channel(name: str, tags: ChannelTags | None, united: Candidates, recall_stage: RecallStage) -> ChannelView:
    if tags is None:
        return ChannelView(name, False, 0, (), 0, ())
    return ChannelView(
        name=name,
        has_input=True,
        proposal_count=len(tags.tag_rows),
        proposals=_proposals(tags, united, recall_stage),
        voter_count=len(tags.neighbours.video_rows),
        voters=_voters(tags.neighbours, recall_stage),
    )


def _proposals(tags: ChannelTags, united: Candidates, recall_stage: RecallStage) -> tuple[Proposal, ...]:
    catalog = recall_stage.catalog
    rows, scores = tags.tag_rows[:PROPOSALS_SHOWN].tolist(), tags.scores[:PROPOSALS_SHOWN].tolist()
    evidence: Sequence[Evidence | None] = tags.evidence[:PROPOSALS_SHOWN] or [None] * len(rows)
    return tuple(
        Proposal(id_of(united, row, catalog), united.name_of(row, catalog.names), score, piece)
        for row, score, piece in zip(rows, scores, evidence, strict=True)
    )


def _voters(neighbours: Neighbours, recall_stage: RecallStage) -> tuple[Voter, ...]:
    table = recall_stage.neighbour_store.table
    near = zip(
        neighbours.video_rows[:VOTERS_SHOWN].tolist(), neighbours.similarities[:VOTERS_SHOWN].tolist(), strict=True
    )
    return tuple(
        Voter(table.id_of(row), table.title_of(row), similarity, tags_by_use(row, recall_stage))
        for row, similarity in near
    )


def tags_by_use(video_row: int, recall_stage: RecallStage) -> tuple[str, ...]:
    """Return the names of the tags of a labelled video that voted, the most used first."""
    catalog = recall_stage.catalog
    tags = recall_stage.tags_of(np.array([video_row]))
    rows = dict.fromkeys(tags.values.tolist())  # two of them may be merged
    return tuple(catalog.names[row] for row in sorted(rows, key=lambda row: (-catalog.counts[row], row)))
