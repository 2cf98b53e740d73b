"""Protobuf messages of explanations: conversion of the request to a value, and of an inspection to its message.

`tagging/service/remote/explanation_values.py` is the way back.
"""

from collections.abc import Mapping
from typing import Literal

from videotag.v1 import tagging_pb2 as pb

from tagging.inspection.explanation import (
    Ablation,
    ChannelView,
    Explanation,
    LookedAt,
    Outcome,
    Proposal,
    TagQuestion,
    TagTrace,
    Voter,
)
from tagging.service.api.evidence_messages import MODALITY, duration_message, evidence_message, span_message
from tagging.service.api.explanation_limits import cut_to_fit
from tagging.service.api.validation import check
from tagging.service.api.video_messages import read_tag_request
from tagging.service.calls.explanations import ExplainRequest, ExplanationReport
from tagging.service.errors.text_limits import sendable
from tagging.types import Passage, VideoRef

OUTCOME: Mapping[Outcome, pb.TagOutcome.ValueType] = {
    "answered": pb.TAG_OUTCOME_ANSWERED,
    "beyond_limit": pb.TAG_OUTCOME_BEYOND_LIMIT,
    "implied": pb.TAG_OUTCOME_IMPLIED,
    "below_confidence": pb.TAG_OUTCOME_BELOW_CONFIDENCE,
    "over_budget": pb.TAG_OUTCOME_OVER_BUDGET,
    "hidden": pb.TAG_OUTCOME_HIDDEN,
    "not_proposed": pb.TAG_OUTCOME_NOT_PROPOSED,
    "unknown": pb.TAG_OUTCOME_UNKNOWN,
}
ABLATION: Mapping[Literal["modality", "channel", "neighbour"], pb.AblationKind.ValueType] = {
    "modality": pb.ABLATION_KIND_MODALITY,
    "channel": pb.ABLATION_KIND_CHANNEL,
    "neighbour": pb.ABLATION_KIND_NEIGHBOUR,
}


def read_explain_request(message: pb.ExplainVideoRequest) -> ExplainRequest:
    """The request of ExplainVideo; raises InvalidRequestError, which names every invalid field."""
    check(message)
    subject = read_tag_request(message.video) if message.HasField("video") else message.video_id
    return ExplainRequest(subject, tuple(dict.fromkeys(message.why)), message.why_answered)


def explanation_response(report: ExplanationReport) -> pb.ExplainVideoResponse:
    """The response to ExplainVideo, cut to the size that the proto states.

    Raises ValueError for evidence with numbers outside the ranges that the proto states.
    """
    explanation = report.inspection.explanation
    response = pb.ExplainVideoResponse(
        explanation=_explanation(explanation),
        questions=map(_question, report.inspection.questions),
        bundle_version=sendable(explanation.bundle_version),
        content_hash=report.content_hash,
        last_edit=report.last_edit,
    )
    cut_to_fit(response)
    return response


def _explanation(explanation: Explanation) -> pb.Explanation:
    return pb.Explanation(
        video=_video(explanation.video),
        looked_at=_looked_at(explanation.looked_at),
        channels=map(_channel, explanation.channels),
        union_size=explanation.union_size,
        budget=explanation.budget,
        min_confidence=explanation.min_confidence,
        max_tags=explanation.max_tags,
        tags=map(_trace, explanation.tags),
        tag_count=len(explanation.tags),
    )


def _video(video: VideoRef) -> pb.ExplainedVideo:
    return pb.ExplainedVideo(
        video_id=sendable(video.video_id),
        uri=None if video.uri is None else sendable(video.uri),
        title=sendable(video.title),
        description=sendable(video.description),
        uploader_id=None if video.uploader_id is None else sendable(video.uploader_id),
    )


def _looked_at(looked_at: LookedAt) -> pb.LookedAt:
    return pb.LookedAt(
        modalities=[MODALITY[modality] for modality in looked_at.modalities],
        warnings=map(sendable, looked_at.warnings),
        duration=None if looked_at.duration_s is None else duration_message(looked_at.duration_s),
        frame_times=map(duration_message, looked_at.frame_times_s),
        sound=duration_message(looked_at.sound_s),
        readings=[
            pb.Reading(source=MODALITY[source], passages=map(_passage, passages))
            for source, passages in looked_at.passages.items()
        ],
    )


def _passage(passage: Passage) -> pb.Passage:
    return pb.Passage(
        text=sendable(passage.text),
        start=duration_message(passage.start_s),
        end=duration_message(passage.end_s),
        confidence=passage.confidence,
        language=sendable(passage.language),
    )


def _channel(channel: ChannelView) -> pb.ChannelView:
    return pb.ChannelView(
        name=sendable(channel.name),
        has_input=channel.has_input,
        proposal_count=channel.proposal_count,
        proposals=map(_proposal, channel.proposals),
        voter_count=channel.voter_count,
        voters=map(_voter, channel.voters),
    )


def _proposal(proposal: Proposal) -> pb.Proposal:
    return pb.Proposal(
        tag_id=sendable(proposal.tag_id),
        name=sendable(proposal.name),
        score=proposal.score,
        evidence=None if proposal.evidence is None else evidence_message(proposal.evidence),
    )


def _voter(voter: Voter) -> pb.Voter:
    return pb.Voter(
        video_id=sendable(voter.video_id),
        title=sendable(voter.title),
        similarity=voter.similarity,
        tags=map(sendable, voter.tags),
    )


def _trace(trace: TagTrace) -> pb.TagTrace:
    return pb.TagTrace(
        tag_id=sendable(trace.tag_id),
        name=sendable(trace.name),
        is_new=trace.is_new,
        outcome=OUTCOME[trace.outcome],
        channels=[
            pb.ChannelPlace(channel=sendable(channel), score=score, rank=trace.channel_ranks[channel])
            for channel, score in trace.channels.items()
        ],
        recall_probability=trace.recall_probability,
        recall_rank=trace.recall_rank,
        recall_contributions=_contributions(trace.recall_contributions),
        confidence=trace.confidence,
        rank=trace.rank,
        contributions=_contributions(trace.contributions),
        implied_by=None if trace.implied_by is None else sendable(trace.implied_by),
        evidence=map(evidence_message, trace.evidence),
        spans=map(span_message, trace.spans),
    )


def _contributions(values: Mapping[str, float]) -> list[pb.Contribution]:
    return [pb.Contribution(name=sendable(name), log_odds=value) for name, value in values.items()]


def _question(question: TagQuestion) -> pb.TagQuestion:
    return pb.TagQuestion(
        query=sendable(question.query),
        trace=None if question.trace is None else _trace(question.trace),
        outcome=OUTCOME[question.outcome],
        reason=sendable(question.reason),
        requirement=sendable(question.requirement),
        ablations=map(_ablation, question.ablations),
    )


def _ablation(ablation: Ablation) -> pb.Ablation:
    return pb.Ablation(
        kind=ABLATION[ablation.kind],
        name=sendable(ablation.name),
        title=sendable(ablation.title),
        confidence=ablation.confidence,
        outcome=OUTCOME[ablation.outcome],
    )
