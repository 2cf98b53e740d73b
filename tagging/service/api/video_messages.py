"""Protobuf messages of videos, taggings and feedback: conversion from and to values."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from videotag.v1 import tagging_pb2 as pb

from tagging.service.api.evidence_messages import MODALITY, evidence_message, span_message, within
from tagging.service.api.validation import check
from tagging.service.calls.feedback import VideoFeedback
from tagging.service.calls.requests import LabelledVideoReport, TagRequest, TagResponse
from tagging.service.errors.text_limits import sendable
from tagging.store.database.taggings import TaggingOptions
from tagging.types import LabelledVideo, RankedTag, VideoRef


def read_tag_request(message: pb.TagVideoRequest) -> TagRequest:
    """The request of TagVideo; raises InvalidRequestError, which names every invalid field."""
    check(message)
    options = message.options
    threshold = options.WhichOneof("threshold")
    tagging_options = TaggingOptions(
        max_tags=options.max_tags if options.HasField("max_tags") else None,
        min_confidence=options.min_confidence if threshold == "min_confidence" else None,
        precision=options.precision if threshold == "precision" else None,
    )
    return TagRequest(_video(message), _content(message), tagging_options, options.evidence)


def read_tagging_query(message: pb.GetTaggingRequest) -> tuple[str, str | None, str | None]:
    """The video id, content hash and bundle version; None: any. Raises InvalidRequestError."""
    check(message)
    return (
        message.video_id,
        message.content_hash if message.HasField("content_hash") else None,
        message.bundle_version if message.HasField("bundle_version") else None,
    )


def read_labelled(message: pb.AddLabelledVideoRequest) -> tuple[LabelledVideo, bytes | None]:
    """The labelled video, and its content if it has no uri; raises InvalidRequestError."""
    check(message)
    return LabelledVideo(_video(message), tuple(message.tags)), _content(message)


def read_feedback(message: pb.SubmitFeedbackRequest) -> VideoFeedback:
    """The feedback of SubmitFeedback; raises InvalidRequestError."""
    check(message)
    return VideoFeedback(
        message.video_id,
        message.accepted_tag_ids,
        message.rejected_tag_ids,
        message.added_tags,
        message.bundle_version if message.HasField("bundle_version") else None,
        message.feedback_id if message.HasField("feedback_id") else None,
    )


def _video(message: pb.TagVideoRequest | pb.AddLabelledVideoRequest) -> VideoRef:
    return VideoRef(
        video_id=message.video_id,
        uri=message.uri if message.HasField("uri") else None,
        title=message.title,
        description=message.description,
        uploader_id=message.uploader_id if message.HasField("uploader_id") else None,
    )


def _content(message: pb.TagVideoRequest | pb.AddLabelledVideoRequest) -> bytes | None:
    return message.content if message.HasField("content") else None


def tagging_message(response: TagResponse, evidence: bool) -> pb.TagVideoResponse:
    """The message of a tagging; evidence: False leaves it out.

    Raises ValueError for numbers outside the ranges that the proto states.
    """
    tagging, answer = response.tagging, response.answer
    return pb.TagVideoResponse(
        video_id=sendable(answer.video_id),
        tags=[_ranked_tag(tag, evidence) for tag in answer.tags],
        modalities=[MODALITY[modality] for modality in answer.modalities],
        warnings=map(sendable, answer.warnings),
        bundle_version=sendable(answer.bundle_version),
        content_hash=tagging.key.content_hash,
        from_store=response.from_store,
        tagged_at=timestamp(tagging.at),
        last_edit=tagging.last_edit,
    )


def labelled_response(video_id: str, report: LabelledVideoReport) -> pb.AddLabelledVideoResponse:
    """The response to AddLabelledVideo."""
    return pb.AddLabelledVideoResponse(
        video_id=video_id,
        tag_ids=report.tag_ids,
        unknown_tags=report.unknown_tags,
        modalities=[MODALITY[modality] for modality in report.modalities],
        warnings=report.warnings,
        bundle_version=report.bundle_version,
        content_hash=report.content_hash,
    )


def stream_response(index: int, video_id: str, outcome: pb.TagVideoResponse | Status) -> pb.StreamTagVideosResponse:
    """The response to the request with an index, from 0, of a stream: its tagging, or its error."""
    if isinstance(outcome, Status):
        return pb.StreamTagVideosResponse(index=index, video_id=video_id, error=outcome)
    return pb.StreamTagVideosResponse(index=index, video_id=video_id, tagging=outcome)


def timestamp(time: datetime) -> Timestamp:
    """The message of a time; raises ValueError for one without a time zone, which protobuf would take for UTC."""
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    message = Timestamp()
    message.FromDatetime(time)
    return message


def _ranked_tag(tag: RankedTag, evidence: bool) -> pb.RankedTag:
    best_first = sorted(tag.channels.items(), key=lambda channel: (-channel[1], channel[0]))
    return pb.RankedTag(
        id=sendable(tag.tag_id),
        name=sendable(tag.name),
        confidence=within(0, 1, tag.confidence, "confidence"),
        is_new=tag.is_new,
        channels=[
            pb.ChannelScore(channel=sendable(name), score=within(0, 1, score, name)) for name, score in best_first
        ],
        evidence=map(evidence_message, tag.evidence) if evidence else (),
        spans=map(span_message, tag.spans),
    )
