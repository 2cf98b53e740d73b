"""A topic service in this process on a real port, with a clock of the test, and a client of it."""

import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from videotag.v1 import topics_pb2 as pb
from videotag.v1 import topics_pb2_grpc as rpc

from tagging.topics.service.config import TopicServiceConfig
from tagging.topics.service.server import serving
from tests.support.clocks import MovedClock

EXPOSURE, CLICK = pb.ENGAGEMENT_KIND_EXPOSURE, pb.ENGAGEMENT_KIND_CLICK


@dataclass
class TopicClient:
    stub: Any
    channel: grpc.aio.Channel
    clock: MovedClock
    metrics_port: int | None
    events: int = 0

    def scrape(self) -> str:
        """Return the metrics; blocks."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as response:
            return str(response.read().decode())

    async def topics(self) -> dict[str, pb.Topic]:
        """Return the topics by the first of their tags."""
        listed = await self.stub.ListTopics(pb.ListTopicsRequest())
        return {topic.tags[0]: topic for topic in listed.topics}

    async def queue(self, topic: int, size: int = 1000) -> pb.GetTopicVideosResponse:
        answer = await self.stub.GetTopicVideos(pb.GetTopicVideosRequest(topic_id=topic, page_size=size))
        assert isinstance(answer, pb.GetTopicVideosResponse)
        return answer

    async def report(self, video_id: str, exposures: int = 0, clicks: int = 0, user_id: str | None = None) -> None:
        """Report events with ids of their own."""
        kinds = [EXPOSURE] * exposures + [CLICK] * clicks
        events = [
            pb.EngagementEvent(event_id=f"e{self.events + n}", video_id=video_id, user_id=user_id, kind=kind)
            for n, kind in enumerate(kinds)
        ]
        self.events += len(events)
        answer = await self.stub.ReportEngagement(pb.ReportEngagementRequest(events=events))
        assert answer.counted == len(events)


def topic_config(root: Path, url: str = "", **queues: Any) -> TopicServiceConfig:
    return TopicServiceConfig.model_validate(
        {
            "listen": {"address": "127.0.0.1:0"},
            "queues": {"least_exposures": 10, "least_click_rate": 0.1, "least_fresh": 5, **queues},
            "database": {"url": url or f"sqlite:///{root}/topics.db"},
            "drain_s": 5.0,
            "observe": {"metrics": {"listen": None}},
        }
    )


@asynccontextmanager
async def running(folder: Path, config: TopicServiceConfig) -> AsyncIterator[TopicClient]:
    clock = MovedClock()
    async with serving(folder, config, clock=clock) as service:  # noqa: SIM117 - the service outlives its client
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel:
            yield TopicClient(rpc.TopicServiceStub(channel), channel, clock, service.metrics_port)


@pytest.fixture
async def client(fitted: Path, tmp_path: Path) -> AsyncIterator[TopicClient]:
    async with running(fitted, topic_config(tmp_path)) as started:
        yield started
