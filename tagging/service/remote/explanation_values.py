"""Conversion of the messages of explanations back to values; api/explanation_messages.py is the way there."""

from collections.abc import Iterable, Mapping

from videotag.v1 import tagging_pb2 as pb

from tagging.inspection.explanation import (
    Ablation,
    ChannelView,
    Explanation,
    Inspection,
    LookedAt,
    Proposal,
    TagQuestion,
    TagTrace,
    Voter,
)
from tagging.service.api.evidence_messages import MODALITY
from tagging.service.api.explanation_messages import ABLATION, OUTCOME
from tagging.service.remote.evidence_values import inverse, known, read_evidence, read_modality, read_span, seconds
from tagging.types import PASSAGE_SOURCES, Passage, PassageSource, VideoRef

_OUTCOMES = inverse(OUTCOME)
_ABLATIONS = inverse(ABLATION)
_SOURCES: Mapping[int, PassageSource] = {MODALITY[source]: source for source in PASSAGE_SOURCES}


def read_inspection(message: pb.ExplainVideoResponse, video: VideoRef | None) -> Inspection:
    """The inspection that a response contains.

    video: as the caller described it, in place of the one in the response; None: of a stored answer
    Raises BackendUnavailableError for values that this version does not have.
    """
    explanation = message.explanation
    return Inspection(
        Explanation(
            video=video or _video(explanation.video),
            bundle_version=message.bundle_version,
            looked_at=_looked_at(explanation.looked_at),
            channels=tuple(map(_channel, explanation.channels)),
            union_size=explanation.union_size,
            budget=explanation.budget if explanation.HasField("budget") else None,
            min_confidence=explanation.min_confidence,
            max_tags=explanation.max_tags,
            tags=tuple(map(_trace, explanation.tags)),
        ),
        tuple(map(_question, message.questions)),
    )


def _video(message: pb.ExplainedVideo) -> VideoRef:
    return VideoRef(
        message.video_id,
        message.uri if message.HasField("uri") else None,
        message.title,
        message.description,
        message.uploader_id if message.HasField("uploader_id") else None,
    )


def _looked_at(message: pb.LookedAt) -> LookedAt:
    passages: dict[PassageSource, tuple[Passage, ...]] = {}
    for reading in message.readings:
        source = known(_SOURCES, reading.source)
        passages[source] = tuple(map(_passage, reading.passages))
    return LookedAt(
        modalities=tuple(map(read_modality, message.modalities)),
        warnings=tuple(message.warnings),
        duration_s=seconds(message.duration) if message.HasField("duration") else None,
        frame_times_s=tuple(map(seconds, message.frame_times)),
        sound_s=seconds(message.sound),
        passages=passages,
    )


def _passage(message: pb.Passage) -> Passage:
    return Passage(message.text, seconds(message.start), seconds(message.end), message.confidence, message.language)


def _channel(message: pb.ChannelView) -> ChannelView:
    return ChannelView(
        name=message.name,
        has_input=message.has_input,
        proposal_count=message.proposal_count,
        proposals=tuple(map(_proposal, message.proposals)),
        voter_count=message.voter_count,
        voters=tuple(map(_voter, message.voters)),
    )


def _proposal(message: pb.Proposal) -> Proposal:
    evidence = read_evidence(message.evidence) if message.HasField("evidence") else None
    return Proposal(message.tag_id, message.name, message.score, evidence)


def _voter(message: pb.Voter) -> Voter:
    return Voter(message.video_id, message.title, message.similarity, tuple(message.tags))


def _trace(message: pb.TagTrace) -> TagTrace:
    return TagTrace(
        tag_id=message.tag_id,
        name=message.name,
        is_new=message.is_new,
        outcome=known(_OUTCOMES, message.outcome),
        channels={proposal.channel: proposal.score for proposal in message.channels},
        channel_ranks={proposal.channel: proposal.rank for proposal in message.channels},
        recall_probability=message.recall_probability if message.HasField("recall_probability") else None,
        recall_rank=message.recall_rank if message.HasField("recall_rank") else None,
        recall_contributions=_contributions(message.recall_contributions),
        confidence=message.confidence if message.HasField("confidence") else None,
        rank=message.rank if message.HasField("rank") else None,
        contributions=_contributions(message.contributions),
        implied_by=message.implied_by if message.HasField("implied_by") else None,
        evidence=tuple(map(read_evidence, message.evidence)),
        spans=tuple(map(read_span, message.spans)),
    )


def _contributions(messages: Iterable[pb.Contribution]) -> dict[str, float]:
    return {message.name: message.log_odds for message in messages}


def _question(message: pb.TagQuestion) -> TagQuestion:
    return TagQuestion(
        query=message.query,
        trace=_trace(message.trace) if message.HasField("trace") else None,
        outcome=known(_OUTCOMES, message.outcome),
        reason=message.reason,
        requirement=message.requirement,
        ablations=tuple(map(_ablation, message.ablations)),
    )


def _ablation(message: pb.Ablation) -> Ablation:
    return Ablation(
        kind=known(_ABLATIONS, message.kind),
        name=message.name,
        title=message.title,
        confidence=message.confidence if message.HasField("confidence") else None,
        outcome=known(_OUTCOMES, message.outcome),
    )
