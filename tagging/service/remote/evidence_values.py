"""Conversion of the messages of evidence and time spans back to values; api/evidence_messages.py is the way there."""

from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import BackendUnavailableError
from tagging.service.api.evidence_messages import MODALITY
from tagging.types import AnyModality, Evidence, TimeSpan

T = TypeVar("T")

Timed = pb.FrameEvidence | pb.SoundEvidence | pb.PassageEvidence


def inverse(table: Mapping[T, int]) -> Mapping[int, T]:
    """The names of enum values, by number."""
    return {number: name for name, number in table.items()}


def known(names: Mapping[int, T], number: int) -> T:
    """The name of an enum value; raises BackendUnavailableError for one that this version does not have."""
    if number not in names:
        raise BackendUnavailableError(
            f"the service sent the value {number}, expected one of {sorted(names)}",
            "the service is newer: install its version of videotag",
        )
    return names[number]


_MODALITIES = inverse(MODALITY)


def read_modality(number: int) -> AnyModality:
    """The modality of an enum value; raises BackendUnavailableError for an unknown one."""
    return known(_MODALITIES, number)


def read_evidence(message: pb.Evidence) -> Evidence:
    """A piece of evidence. Raises BackendUnavailableError for a kind that this version does not have."""
    channel, similarity = message.channel, message.similarity
    spans = tuple(map(read_span, message.spans))
    match message.WhichOneof("kind"):
        case "video":
            video = message.video
            return Evidence(channel, "video", similarity, video_id=video.video_id, title=video.title, spans=spans)
        case "text":
            return Evidence(channel, "text", similarity, text=message.text.text, spans=spans)
        case "frame":
            frame = message.frame
            start_s, end_s = _times(frame)
            return Evidence(
                channel, "frame", similarity, frame=frame.frame, frames=frame.frames, start_s=start_s, end_s=end_s,
                spans=spans,
            )  # fmt: skip
        case "sound":
            start_s, end_s = _times(message.sound)
            return Evidence(channel, "sound", similarity, start_s=start_s, end_s=end_s, spans=spans)
        case "speech" | "screen" as kind:
            passage: pb.PassageEvidence = getattr(message, kind)
            start_s, end_s = _times(passage)
            return Evidence(channel, kind, similarity, text=passage.text, start_s=start_s, end_s=end_s, spans=spans)
        case "uploader":
            return Evidence(channel, "uploader", similarity, text=message.uploader.text, spans=spans)
        case None:
            raise BackendUnavailableError(
                f"the service sent evidence of channel {channel!r} of an unknown kind",
                "the service is newer: install its version of videotag",
            )


def read_span(message: pb.TimeSpan) -> TimeSpan:
    """A time span."""
    modality = read_modality(message.modality)
    return TimeSpan(seconds(message.start), seconds(message.end), modality, message.strength)


def seconds(message: Duration) -> float:
    """A duration in seconds."""
    return message.ToTimedelta().total_seconds()


def _times(message: Timed) -> tuple[float | None, float | None]:
    return (
        seconds(message.start) if message.HasField("start") else None,
        seconds(message.end) if message.HasField("end") else None,
    )
