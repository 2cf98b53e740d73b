"""Request validation checks the limits that the comments of the proto state."""

import re

import pytest
import regenerate
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from videotag.v1 import topics_pb2 as pb

from tagging.errors import InvalidRequestError
from tagging.store.database.texts import LATEST
from tagging.topics.service.contract import TOPICS
from tagging.topics.service.validation import CHECKS, check

BEYOND_TIME = (-1, round(LATEST.timestamp()), 253_402_300_799, 2**62)  # before 1970, and from 9000
EVENT = pb.EngagementEvent(event_id="e", video_id="v", kind=pb.ENGAGEMENT_KIND_CLICK)


def events(*events: pb.EngagementEvent) -> pb.ReportEngagementRequest:
    return pb.ReportEngagementRequest(events=events)


def changed(**fields: object) -> pb.ReportEngagementRequest:
    event = pb.EngagementEvent()
    event.CopyFrom(EVENT)
    event.MergeFrom(pb.EngagementEvent(**fields))  # type: ignore[arg-type]
    return events(event)


GOOD: list[Message] = [
    pb.ListTopicsRequest(),
    pb.ListTopicsRequest(page_size=1000, page_token="x" * 1024, text="🎬" * 200),
    pb.GetTopicVideosRequest(topic_id=1),
    pb.GetTopicVideosRequest(topic_id=2**62, page_size=1000),
    events(*[EVENT] * 1000),
    changed(event_id="x" * 128, video_id="🎬" * 256, user_id="u" * 256, occurred_at=Timestamp(seconds=1)),
    pb.ListCandidatesRequest(user_id="u"),
    pb.ListCandidatesRequest(clicked_video_ids=["v"] * 1000, max_candidates=1000),
]
BAD: list[tuple[Message, list[str]]] = [
    (pb.ListTopicsRequest(page_size=-1, page_token="x" * 1025, text="x" * 201), ["page_size", "page_token", "text"]),
    (pb.ListTopicsRequest(page_size=1001), ["page_size"]),
    (pb.GetTopicVideosRequest(), ["topic_id"]),
    (pb.GetTopicVideosRequest(topic_id=-1, page_size=1001), ["page_size", "topic_id"]),
    (events(), ["events"]),
    (events(*[EVENT] * 1001), ["events"]),
    (
        events(EVENT, pb.EngagementEvent()),
        ["events[1].event_id", "events[1].kind", "events[1].video_id"],
    ),
    (changed(event_id="x" * 129), ["events[0].event_id"]),
    (changed(video_id="x" * 257), ["events[0].video_id"]),
    (changed(user_id=""), ["events[0].user_id"]),
    (changed(user_id="u" * 257), ["events[0].user_id"]),
    (changed(kind=7), ["events[0].kind"]),
    *[(changed(occurred_at=Timestamp(seconds=seconds)), ["events[0].occurred_at"]) for seconds in BEYOND_TIME],
    (changed(occurred_at=Timestamp(nanos=2 * 10**9)), ["events[0].occurred_at"]),
    (pb.ListCandidatesRequest(), ["user_id"]),
    (pb.ListCandidatesRequest(user_id=""), ["user_id"]),
    (pb.ListCandidatesRequest(user_id="u", clicked_video_ids=["v"]), ["clicked_video_ids"]),
    (pb.ListCandidatesRequest(clicked_video_ids=["v", "x" * 257]), ["clicked_video_ids[1]"]),
    (pb.ListCandidatesRequest(clicked_video_ids=["v"] * 1001), ["clicked_video_ids"]),
    (pb.ListCandidatesRequest(user_id="u", max_candidates=1001), ["max_candidates"]),
]


def violations(message: Message) -> list[str]:
    try:
        check(message)
    except InvalidRequestError as error:
        return sorted(error.violations)
    return []


def test_every_call_has_checks_roles_and_examples() -> None:
    service = pb.DESCRIPTOR.services_by_name["TopicService"]
    requests = {call.input_type.name for call in service.methods}
    assert {kind.__name__ for kind in CHECKS} == requests
    assert {type(message).__name__ for message, _ in BAD} == {type(message).__name__ for message in GOOD} == requests
    assert set(TOPICS.methods) == set(service.methods_by_name)
    assert all(TOPICS.roles.values())


@pytest.mark.parametrize("message", GOOD, ids=lambda message: type(message).__name__)
def test_a_valid_request_is_accepted(message: Message) -> None:
    assert violations(message) == []


@pytest.mark.parametrize(("message", "fields"), BAD, ids=[f"{type(m).__name__}-{'-'.join(f)}" for m, f in BAD])
def test_exactly_the_invalid_fields_are_named(message: Message, fields: list[str]) -> None:
    assert violations(message) == fields


def test_the_comments_of_the_proto_state_the_limits_of_these_examples() -> None:
    text = (regenerate.PROTOS / "videotag" / "v1" / "topics.proto").read_text(encoding="utf-8")
    stated = set()
    for comment, name in re.findall(r"((?:^ +//.*\n)+) +(?:optional |repeated )?\w+ (\w+) = ", text, re.MULTILINE):
        found = re.search(r"(?:up to|1 to) ([\d,]+) characters", " ".join(comment.replace("//", "").split()))
        if found:
            stated.add((name, int(found[1].replace(",", ""))))
    ids = {("event_id", 128), ("video_id", 256), ("user_id", 256), ("clicked_video_ids", 256)}
    assert stated == ids | {("page_token", 1024), ("text", 200)}
