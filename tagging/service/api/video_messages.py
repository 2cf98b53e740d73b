"""Protobuf messages of videos, taggings and feedback: conversion from and to values."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from videotag.v1 import tagging_pb2 as pb

from tagging.service.api.validation import check
from tagging.service.calls.feedback import VideoFeedback
from tagging.service.calls.requests import LabelledVideoReport, TagRequest, TagResponse
from tagging.service.errors.text_limits import sendable
from tagging.store.database.taggings import TaggingOptions
from tagging.types import AnyModality, Evidence, LabelledVideo, RankedTag, TimeSpan, VideoRef

T = TypeVar("T")

ROUNDING = 1e-3  # tolerance for float sums that exceed their range

MODALITY: Mapping[AnyModality, pb.Modality.ValueType] = {
    "text": pb.MODALITY_TEXT,
    "frames": pb.MODALITY_FRAMES,
    "audio": pb.MODALITY_AUDIO,
    "speech": pb.MODALITY_SPEECH,
    "screen": pb.MODALITY_SCREEN,
}


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
        confidence=_within(0, 1, tag.confidence, "confidence"),
        is_new=tag.is_new,
        channels=[
            pb.ChannelScore(channel=sendable(name), score=_within(0, 1, score, name)) for name, score in best_first
        ],
        evidence=map(_evidence, tag.evidence) if evidence else (),
        spans=map(_span, tag.spans),
    )


def _evidence(evidence: Evidence) -> pb.Evidence:
    message = pb.Evidence(
        channel=sendable(evidence.channel),
        similarity=_within(-1, 1, evidence.similarity, f"similarity of {evidence.channel}"),
    )
    match evidence.kind:
        case "video":
            message.video.video_id = sendable(_require(evidence.video_id, evidence))
            message.video.title = sendable(evidence.title or "")
        case "text":
            message.text.text = sendable(_require(evidence.text, evidence))
        case "frame":
            message.frame.frame = _require(evidence.frame, evidence)
            message.frame.frames = _require(evidence.frames, evidence)
            _set_times(message.frame, evidence)
        case "sound":
            _require(evidence.start_s, evidence)
            _set_times(message.sound, evidence)
        case "speech":
            _set_passage(message.speech, evidence)
        case "screen":
            _set_passage(message.screen, evidence)
        case "uploader":
            message.uploader.text = sendable(_require(evidence.text, evidence))
    return message


def _set_passage(message: pb.PassageEvidence, evidence: Evidence) -> None:
    message.text = sendable(_require(evidence.text, evidence))
    _require(evidence.start_s, evidence)
    _require(evidence.end_s, evidence)
    _set_times(message, evidence)


def _set_times(message: pb.FrameEvidence | pb.SoundEvidence | pb.PassageEvidence, evidence: Evidence) -> None:
    if evidence.start_s is not None:
        message.start.CopyFrom(_duration(evidence.start_s))
    if evidence.end_s is not None:
        message.end.CopyFrom(_duration(evidence.end_s))


def _span(span: TimeSpan) -> pb.TimeSpan:
    return pb.TimeSpan(
        start=_duration(span.start_s),
        end=_duration(span.end_s),
        modality=MODALITY[span.modality],
        strength=_within(0, 1, span.strength, f"strength of {span.modality}"),
    )


def _duration(seconds: float) -> Duration:
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def _require(value: T | None, evidence: Evidence) -> T:
    if value is None:
        raise ValueError(f"evidence of kind {evidence.kind!r} lacks one of its fields: {evidence}")
    return value


def _within(low: float, high: float, value: float, name: str) -> float:
    """Clip a value that rounding carried past an end of its range; raises ValueError beyond ROUNDING."""
    if not low - ROUNDING <= value <= high + ROUNDING:  # also rejects NaN
        raise ValueError(f"{name} is {value}, not in [{low}, {high}]")
    return min(max(value, low), high)
