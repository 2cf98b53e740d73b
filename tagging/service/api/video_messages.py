"""From the messages of a tagging to its values, and back."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from videotag.v1 import tagging_pb2 as pb

from tagging.service.api.validation import check
from tagging.service.calls.requests import TagRequest
from tagging.service.errors.text_limits import sendable
from tagging.store.database.taggings import TaggingOptions
from tagging.types import Evidence, LabelledVideo, Modality, RankedTag, RankedTags, VideoRef

T = TypeVar("T")

ROUNDING = 1e-3  # by which a sum of floats may miss the end of its range

MODALITY: Mapping[Modality, pb.Modality.ValueType] = {
    "text": pb.MODALITY_TEXT,
    "frames": pb.MODALITY_FRAMES,
    "audio": pb.MODALITY_AUDIO,
}


def read_tag_request(message: pb.TagVideoRequest) -> TagRequest:
    """The request as values; raises InvalidRequestError, which names every field that is wrong."""
    check(message)
    options = message.options
    threshold = options.WhichOneof("threshold")
    asked = TaggingOptions(
        max_tags=options.max_tags if options.HasField("max_tags") else None,
        min_confidence=options.min_confidence if threshold == "min_confidence" else None,
        precision=options.precision if threshold == "precision" else None,
    )
    return TagRequest(_video(message), _content(message), asked, options.evidence)


def read_labelled(message: pb.AddLabelledVideoRequest) -> tuple[LabelledVideo, bytes | None]:
    """The labelled video and its content, where it has no uri; raises InvalidRequestError as read_tag_request does."""
    check(message)
    return LabelledVideo(_video(message), tuple(message.tags)), _content(message)


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


def tag_response(
    answer: RankedTags, content: str, tagged_at: datetime, last_edit: int, from_store: bool, evidence: bool
) -> pb.TagVideoResponse:
    """The answer as a message.

    content: its content_hash; tagged_at: with a time zone; evidence: False leaves it out
    Raises ValueError for numbers that are not what the proto promises.
    """
    return pb.TagVideoResponse(
        video_id=sendable(answer.video_id),
        tags=[_ranked_tag(tag, evidence) for tag in answer.tags],
        modalities=[MODALITY[modality] for modality in answer.modalities],
        warnings=map(sendable, answer.warnings),
        bundle_version=sendable(answer.bundle_version),
        content_hash=content,
        from_store=from_store,
        tagged_at=timestamp(tagged_at),
        last_edit=last_edit,
    )


def stream_response(index: int, video_id: str, outcome: pb.TagVideoResponse | Status) -> pb.StreamTagVideosResponse:
    """What became of the request with that index of a stream."""
    if isinstance(outcome, Status):
        return pb.StreamTagVideosResponse(index=index, video_id=video_id, error=outcome)
    return pb.StreamTagVideosResponse(index=index, video_id=video_id, tagging=outcome)


def timestamp(when: datetime) -> Timestamp:
    """when: with a time zone, or ValueError: protobuf would take another one for UTC."""
    if when.tzinfo is None:
        raise ValueError(f"{when} has no time zone")
    message = Timestamp()
    message.FromDatetime(when)
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
    )


def _evidence(one: Evidence) -> pb.Evidence:
    message = pb.Evidence(
        channel=sendable(one.channel), similarity=_within(-1, 1, one.similarity, f"similarity of {one.channel}")
    )
    match one.kind:
        case "video":
            message.video.video_id = sendable(_stated(one.video_id, one))
            message.video.title = sendable(one.title or "")
        case "text":
            message.text.text = sendable(_stated(one.text, one))
        case "frame":
            message.frame.frame, message.frame.frames = _stated(one.frame, one), _stated(one.frames, one)
        case "sound":
            message.sound.start.CopyFrom(_duration(_stated(one.start_s, one)))
        case "uploader":
            message.uploader.text = sendable(_stated(one.text, one))
    return message


def _duration(seconds: float) -> Duration:
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def _stated(value: T | None, of: Evidence) -> T:
    if value is None:
        raise ValueError(f"evidence of kind {of.kind!r} lacks one of its fields: {of}")
    return value


def _within(least: float, most: float, value: float, what: str) -> float:
    """The value, where rounding carried it past an end of its range that end."""
    if not least - ROUNDING <= value <= most + ROUNDING:  # also refuses NaN
        raise ValueError(f"{what} is {value}, not in [{least}, {most}]")
    return min(max(value, least), most)
