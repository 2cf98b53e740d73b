"""Answers: the selected tags of a scored video, each with its channels and its evidence, or why there are none."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rank.base import Needed
from rank.select import best_first, select
from tagging.config.root import SelectConfig
from tagging.errors import InvalidVideoError
from tagging.media.read_ahead import Failure
from tagging.pipeline.models import ScoredVideo
from tagging.pipeline.precision import is_reachable
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.spans import merged_spans
from tagging.tags.catalog import TagCatalog, tag_id
from tagging.text.normalise import normalise
from tagging.types import Candidates, Evidence, Indices, RankedTag, RankedTags, TagScores, VideoRef

EVIDENCE_PER_CHANNEL = 3


def ranked_tags(
    video: ScoredVideo, selection: SelectConfig, recall_stage: RecallStage, bundle_version: str
) -> RankedTags | Failure:
    """Return the selected tags of a video; a failure if no encoder could read anything of it."""
    ranked, scores, catalog = video.ranked, video.scores, recall_stage.catalog
    if not ranked.embeddings.modalities:
        return Failure(ranked.video, nothing_to_read(ranked.video, ranked.features.warnings))
    chosen = select(ranked.candidates, scores, catalog.parents, selection)
    abstained = () if len(chosen) else (_abstention(ranked.candidates, scores, catalog, selection),)
    evidence = evidence_of(ranked.candidates, ranked.candidates.tag_rows[chosen], recall_stage)
    return RankedTags(
        video_id=ranked.video.video_id,
        tags=tuple(_tag(ranked.candidates, index, scores, catalog, evidence) for index in chosen.tolist()),
        modalities=ranked.embeddings.modalities,
        warnings=ranked.embeddings.warnings + abstained,
        bundle_version=bundle_version,
    )


def stated_by(selection: SelectConfig, parents: Sequence[Sequence[int]]) -> Needed:
    """Return which candidates an answer states: the selected ones, or the best one, which an empty answer warns with.

    parents: of each row of the catalog
    """

    def stated(candidates: Candidates, scores: TagScores) -> Indices:
        chosen = select(candidates, scores, parents, selection)
        return chosen if len(chosen) else best_first(candidates, scores)[:1]

    return stated


def nothing_to_read(video: VideoRef, warnings: Sequence[str]) -> InvalidVideoError:
    """Return the error for a video without any modality that the bundle's encoders could read."""
    reason = "; ".join(warnings) or "no modality is there"
    return InvalidVideoError(
        f"nothing of video {video.video_id!r} could be looked at: {reason}",
        "give a title, or use a bundle with encoders for picture and sound",
    )


def _abstention(candidates: Candidates, scores: TagScores, catalog: TagCatalog, selection: SelectConfig) -> str:
    if not len(candidates.tag_rows):
        return "nothing the bundle knows is near enough to propose a tag"
    best = int(best_first(candidates, scores)[0])
    name = candidates.name_of(int(candidates.tag_rows[best]), catalog.names)
    confidence = scores.confidences[best]
    if not is_reachable(selection.min_confidence):
        return f"no confidence reaches the target precision; the best tag, {name!r}, has {confidence:.2g}"
    return f"no tag reached the confidence {selection.min_confidence:g}; the best, {name!r}, has {confidence:.2g}"


def _tag(
    candidates: Candidates, index: int, scores: TagScores, catalog: TagCatalog, evidence: Mapping[int, list[Evidence]]
) -> RankedTag:
    row = int(candidates.tag_rows[index])
    by_channel = zip(candidates.channels, candidates.scores[index], strict=True)
    pieces = evidence.get(row, ())
    return RankedTag(
        tag_id=id_of(candidates, row, catalog),
        name=candidates.name_of(row, catalog.names),
        confidence=float(scores.confidences[index]),
        channels={channel: float(score) for channel, score in by_channel if not np.isnan(score)},
        evidence=tuple(replace(piece, spans=()) for piece in pieces),
        is_new=candidates.is_new(row),
        spans=merged_spans(pieces),
    )


def id_of(candidates: Candidates, row: int, catalog: TagCatalog) -> str:
    """Return the id of a tag of the catalog, or of a new tag among the candidates."""
    return tag_id(normalise(candidates.new[row])) if candidates.is_new(row) else catalog.ids[row]


def evidence_of(candidates: Candidates, tag_rows: Indices, recall_stage: RecallStage) -> dict[int, list[Evidence]]:
    """Return, by tag row, the evidence in the video itself, then the nearest labelled videos that have the tag.

    At most EVIDENCE_PER_CHANNEL labelled videos of each channel.
    """
    labelled = recall_stage.neighbour_store.table
    evidence = {row: list(candidates.evidence.get(row, ())) for row in tag_rows.tolist()}
    for channel, neighbours in candidates.neighbours.items():
        tags = recall_stage.tags_of(neighbours.video_rows)
        voters = np.repeat(np.arange(len(tags)), np.diff(tags.starts))
        counts: Counter[int] = Counter()
        for position in np.flatnonzero(np.isin(tags.values, tag_rows)).tolist():
            row, voter = int(tags.values[position]), voters[position]
            if counts[row] < EVIDENCE_PER_CHANNEL:
                counts[row] += 1
                video, similarity = int(neighbours.video_rows[voter]), float(neighbours.similarities[voter])
                video_id, title = labelled.id_of(video), labelled.title_of(video)
                evidence[row].append(Evidence(channel, "video", similarity, video_id=video_id, title=title))
    return evidence
