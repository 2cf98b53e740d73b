"""Protobuf messages of evidence and time spans, which answers and explanations share."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from videotag.v1 import tagging_pb2 as pb

from tagging.service.errors.text_limits import sendable
from tagging.types import AnyModality, Evidence, TimeSpan

T = TypeVar("T")

ROUNDING = 1e-3  # tolerance for float sums that exceed their range

MODALITY: Mapping[AnyModality, pb.Modality.ValueType] = {
    "text": pb.MODALITY_TEXT,
    "frames": pb.MODALITY_FRAMES,
    "audio": pb.MODALITY_AUDIO,
    "speech": pb.MODALITY_SPEECH,
    "screen": pb.MODALITY_SCREEN,
}


def evidence_message(evidence: Evidence) -> pb.Evidence:
    """The message of a piece of evidence; raises ValueError if it lacks a field of its kind, or for a number outside
    its range.
    """
    message = pb.Evidence(
        channel=sendable(evidence.channel),
        similarity=within(-1, 1, evidence.similarity, f"similarity of {evidence.channel}"),
        spans=map(span_message, evidence.spans),
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
        message.start.CopyFrom(duration_message(evidence.start_s))
    if evidence.end_s is not None:
        message.end.CopyFrom(duration_message(evidence.end_s))


def span_message(span: TimeSpan) -> pb.TimeSpan:
    """The message of a time span."""
    return pb.TimeSpan(
        start=duration_message(span.start_s),
        end=duration_message(span.end_s),
        modality=MODALITY[span.modality],
        strength=within(0, 1, span.strength, f"strength of {span.modality}"),
    )


def duration_message(seconds: float) -> Duration:
    """The message of a time in seconds, rounded to microseconds."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def _require(value: T | None, evidence: Evidence) -> T:
    if value is None:
        raise ValueError(f"evidence of kind {evidence.kind!r} lacks one of its fields: {evidence}")
    return value


def within(low: float, high: float, value: float, name: str) -> float:
    """Clip a value that rounding carried past an end of its range; raises ValueError beyond ROUNDING."""
    if not low - ROUNDING <= value <= high + ROUNDING:  # also rejects NaN
        raise ValueError(f"{name} is {value}, not in [{low}, {high}]")
    return min(max(value, low), high)
