"""Messages of the topic service: requests to values, and values to responses."""

from collections.abc import Sequence
from datetime import UTC, datetime

from videotag.v1 import topics_pb2 as pb

from tagging.store.database.engagements import EngagementEvent, EventKind
from tagging.topics.model import Topic, TopicGroup
from tagging.topics.queues.queue import QueueEntry
from tagging.topics.service.calls import CandidateList
from tagging.topics.service.validation import check

_KINDS: dict[int, EventKind] = {pb.ENGAGEMENT_KIND_EXPOSURE: "exposure", pb.ENGAGEMENT_KIND_CLICK: "click"}


def read_events(request: pb.ReportEngagementRequest, received_at: datetime) -> list[EngagementEvent]:
    """Return the events. Raises InvalidRequestError."""
    check(request)
    return [
        EngagementEvent(
            event.event_id,
            event.video_id,
            event.user_id,
            _KINDS[event.kind],
            event.occurred_at.ToDatetime(UTC) if event.HasField("occurred_at") else received_at,
        )
        for event in request.events
    ]


def topic_message(topic: Topic, groups: Sequence[TopicGroup]) -> pb.Topic:
    examples = [pb.TopicExample(video_id=example.video_id, title=example.title) for example in topic.examples]
    return pb.Topic(
        id=topic.id,
        name=topic.name,
        tags=topic.tags,
        videos=topic.videos,
        group=groups[topic.group].name,
        examples=examples,
    )


def video_message(entry: QueueEntry) -> pb.QueuedVideo:
    return pb.QueuedVideo(
        video_id=entry.video_id,
        exposures=entry.engagement.exposures,
        clicks=entry.engagement.clicks,
        click_rate=entry.engagement.click_rate,
        is_fresh=entry.is_fresh,
    )


def candidates_message(found: CandidateList, topics_version: str) -> pb.ListCandidatesResponse:
    return pb.ListCandidatesResponse(
        candidates=[
            pb.Candidate(video=video_message(candidate.entry), topic_id=candidate.topic)
            for candidate in found.candidates
        ],
        topics=[pb.PreferredTopic(topic_id=topic.topic, clicks=topic.clicks) for topic in found.preferred],
        topics_version=topics_version,
    )
