"""Malformed requests of the topic service: each has a status of its contract, and none is an unexpected error."""

import base64
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from videotag.v1 import topics_pb2 as pb

from tagging.tools.load_test.mutate import mutant
from tagging.tools.load_test.odd_texts import ODD_TEXTS
from tagging.topics.service.contract import TOPICS
from tests.support.service import refused
from tests.tagging.topics.service.conftest import CLICK, TopicClient, running, topic_config

pytestmark = pytest.mark.anyio
EXPECTED = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
EVENT = pb.EngagementEvent(event_id="e", video_id="v", user_id="u", kind=CLICK, occurred_at=Timestamp(seconds=10**9))
VALID: dict[str, Message] = {
    "ListTopics": pb.ListTopicsRequest(page_size=5, text="cats"),
    "GetTopicVideos": pb.GetTopicVideosRequest(topic_id=1, page_size=5),
    "ReportEngagement": pb.ReportEngagementRequest(events=[EVENT, EVENT]),
    "ListCandidates": pb.ListCandidatesRequest(clicked_video_ids=["v1", "v2"], max_candidates=7),
}


@pytest.fixture
async def client(fitted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[TopicClient]:
    async with running(fitted, topic_config(tmp_path)) as started:
        yield started
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def status_of(client: TopicClient, method: str, request: bytes) -> grpc.StatusCode:
    stub: Any = client.channel.unary_unary(f"/{TOPICS.service}/{method}")
    code = await stub(request).code()
    assert isinstance(code, grpc.StatusCode)
    return code


async def test_damaged_requests_are_refused_or_answered(client: TopicClient) -> None:
    generator = np.random.default_rng(1)
    found = {
        await status_of(client, method, mutant([request.SerializeToString()], generator))
        for method, request in VALID.items()
        for _ in range(60)
    }
    assert found <= EXPECTED
    assert len(found) > 1


async def test_odd_texts_are_refused_or_answered(client: TopicClient) -> None:
    found: dict[str, set[grpc.StatusCode]] = {method: set() for method in VALID}
    for text in ODD_TEXTS:
        event = pb.EngagementEvent(event_id=text, video_id=text, user_id=text, kind=CLICK)
        for method, request in {
            "ListTopics": pb.ListTopicsRequest(text=text),
            "GetTopicVideos": pb.GetTopicVideosRequest(topic_id=1, page_token=text),
            "ReportEngagement": pb.ReportEngagementRequest(events=[event]),
            "ListCandidates": pb.ListCandidatesRequest(user_id=text),
        }.items():
            found[method].add(await status_of(client, method, request.SerializeToString()))
    assert found == {method: {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT} for method in VALID}


def token(offset: object, topic: int = 1) -> str:
    return base64.urlsafe_b64encode(json.dumps([[offset], {"topic": topic}]).encode()).decode()


@pytest.mark.parametrize("offset", [-1, -(10**30), 1.5, "1", True])
async def test_a_token_with_an_impossible_offset_is_an_invalid_request(client: TopicClient, offset: object) -> None:
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await client.stub.GetTopicVideos(pb.GetTopicVideosRequest(topic_id=1, page_token=token(offset)))


@pytest.mark.parametrize("offset", [10**6, 2**63, 10**30])
async def test_a_token_beyond_the_end_is_an_empty_last_page(client: TopicClient, offset: int) -> None:
    page = await client.stub.GetTopicVideos(pb.GetTopicVideosRequest(topic_id=1, page_token=token(offset)))
    assert (list(page.videos), page.next_page_token, page.total_videos) == ([], "", 5)


async def test_extreme_settings_of_queues_are_no_error(fitted: Path, tmp_path: Path) -> None:
    extreme: dict[str, Any] = {
        "least_fresh": 10**6,
        "fresh_share": 0.999999,
        "least_exposures": 1e-300,
        "half_life_days": 0.01,
    }
    async with running(fitted, topic_config(tmp_path, **extreme)) as client:
        await client.report("v1", exposures=3, clicks=9)
        queue = await client.queue(1)
        assert queue.total_videos == len(queue.videos) > 20
        client.clock.move(days=3000)
        assert (await client.queue(1)).total_videos == 0
