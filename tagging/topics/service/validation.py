"""Request validation of the topic service: the limits that the comments of the proto state for each request message."""

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from videotag.v1 import topics_pb2 as pb

from tagging.service.api.field_checks import MISSING, Fields
from tagging.service.api.validation import LONGEST_ID, LONGEST_PAGE, LONGEST_SPELLING, LONGEST_TOKEN, LONGEST_VERSION
from tagging.store.database.texts import EARLIEST, LATEST

MOST_EVENTS = 1000
MOST_CLICKS = 1000
MOST_CANDIDATES = 1000


def check(message: Message) -> None:
    """Raise InvalidRequestError, which names every invalid field, unless the message is valid."""
    fields = Fields()
    CHECKS[type(message)](message, fields)
    fields.finish()


def _list_topics(message: pb.ListTopicsRequest, fields: Fields) -> None:
    _page(message, fields)
    fields.text("text", message.text, LONGEST_SPELLING)


def _get_topic_videos(message: pb.GetTopicVideosRequest, fields: Fields) -> None:
    if message.topic_id < 1:
        fields.violation("topic_id", f"{message.topic_id}, expected 1 or more" if message.topic_id else MISSING)
    _page(message, fields)


def _report_engagement(message: pb.ReportEngagementRequest, fields: Fields) -> None:
    if not message.events:
        fields.violation("events", MISSING)
    if len(message.events) > MOST_EVENTS:
        fields.violation("events", f"{len(message.events)} values, expected at most {MOST_EVENTS}")
        return
    for index, event in enumerate(message.events):
        _event(f"events[{index}]", event, fields)


def _event(path: str, event: pb.EngagementEvent, fields: Fields) -> None:
    fields.line(f"{path}.event_id", event.event_id, LONGEST_VERSION)
    fields.line(f"{path}.video_id", event.video_id, LONGEST_ID)
    if event.HasField("user_id"):
        fields.line(f"{path}.user_id", event.user_id, LONGEST_ID)
    if event.kind not in (pb.ENGAGEMENT_KIND_EXPOSURE, pb.ENGAGEMENT_KIND_CLICK):
        fields.violation(f"{path}.kind", f"{event.kind}, which is no kind of event" if event.kind else MISSING)
    if not _can_be_stored(event.occurred_at):
        found = f"{event.occurred_at.seconds} s and {event.occurred_at.nanos} ns"
        years = f"{EARLIEST.year} to {LATEST.year - 1}"
        fields.violation(f"{path}.occurred_at", f"{found}, expected a valid time in the years {years}")


def _can_be_stored(time: Timestamp) -> bool:
    try:
        return EARLIEST <= time.ToDatetime(UTC) < LATEST
    except (ValueError, OverflowError):  # of a year or of nanoseconds that do not exist
        return False


def _list_candidates(message: pb.ListCandidatesRequest, fields: Fields) -> None:
    if message.HasField("user_id"):
        fields.line("user_id", message.user_id, LONGEST_ID)
        if message.clicked_video_ids:
            fields.violation("clicked_video_ids", "given next to user_id, expected either")
    elif not message.clicked_video_ids:
        fields.violation("user_id", f"{MISSING}: give a user_id or clicked_video_ids")
    fields.lines("clicked_video_ids", message.clicked_video_ids, LONGEST_ID, MOST_CLICKS)
    fields.number("max_candidates", message.max_candidates, 0, MOST_CANDIDATES)


def _page(message: pb.ListTopicsRequest | pb.GetTopicVideosRequest, fields: Fields) -> None:
    fields.number("page_size", message.page_size, 0, LONGEST_PAGE)
    fields.text("page_token", message.page_token, LONGEST_TOKEN)


CHECKS: Mapping[type[Message], Callable[[Any, Fields], None]] = {
    pb.ListTopicsRequest: _list_topics,
    pb.GetTopicVideosRequest: _get_topic_videos,
    pb.ReportEngagementRequest: _report_engagement,
    pb.ListCandidatesRequest: _list_candidates,
}
