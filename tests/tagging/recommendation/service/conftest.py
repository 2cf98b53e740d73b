"""A recommendation service in this process on a real port, with a clock of the test, and a client of it."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from videotag.v1 import recommendation_pb2 as pb
from videotag.v1 import recommendation_pb2_grpc as rpc

from tagging.progress import Silent
from tagging.recommendation.service.add_videos import AddReport, add_videos
from tagging.recommendation.service.config import RecommendationServiceConfig
from tagging.recommendation.service.server import serving
from tagging.store.database.config import DatabaseConfig
from tagging.store.features import FeatureStore
from tests.support.clocks import NOW, MovedClock
from tests.support.corpora import write_rows
from tests.support.database_records import database_at, url_of
from tests.support.polling import INTERVAL_S, TIMEOUT_S
from tests.tagging.recommendation.two_towers.conftest import sources, text_bundle, trained, trained_without_new

__all__ = ["sources", "text_bundle", "trained", "trained_without_new"]


@dataclass
class RecommendationClient:
    stub: Any
    channel: grpc.aio.Channel
    clock: MovedClock
    metrics_port: int | None

    def scrape(self) -> str:
        """Return the metrics; blocks."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as response:
            return str(response.read().decode())

    async def recommend(self, *watched: str, most: int = 0) -> pb.RecommendVideosResponse:
        request = pb.RecommendVideosRequest(watched_video_ids=watched, max_videos=most)
        answer = await self.stub.RecommendVideos(request)
        assert isinstance(answer, pb.RecommendVideosResponse)
        return answer

    async def ids(self, *watched: str, most: int = 0) -> list[str]:
        return [video.video_id for video in (await self.recommend(*watched, most=most)).videos]

    async def sees(self, *uploads: str) -> None:
        """Wait until the service recommends exactly these uploads to a user who has watched v0."""
        async with asyncio.timeout(TIMEOUT_S):
            while set(await self.ids("v0", most=1000)) != set(uploads):
                await asyncio.sleep(INTERVAL_S)


def recommendation_config(database: DatabaseConfig, **changed: Any) -> RecommendationServiceConfig:
    return RecommendationServiceConfig.model_validate(
        {
            "listen": {"address": "127.0.0.1:0"},
            "database": {"url": url_of(database)},
            "follow_s": 0.02,
            "drain_s": 5.0,
            "observe": {"metrics": {"listen": None}},
            **changed,
        }
    )


@asynccontextmanager
async def running(
    model: Path, config: RecommendationServiceConfig, clock: MovedClock | None = None
) -> AsyncIterator[RecommendationClient]:
    clock = clock or MovedClock()
    async with serving(model, config, clock=clock) as service:  # noqa: SIM117 - the service outlives its client
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel:
            yield RecommendationClient(rpc.RecommendationServiceStub(channel), channel, clock, service.metrics_port)


async def add(
    model: Path, database: DatabaseConfig, folder: Path, tags: Mapping[str, list[str]], at: datetime = NOW
) -> AddReport:
    """Add videos by their tags. folder: for the manifest and the features"""
    rows = [{"video_id": video_id, "tags": names} for video_id, names in tags.items()]
    manifest = write_rows(folder / "new.jsonl", rows)
    store = FeatureStore(folder / "f")
    return await asyncio.to_thread(add_videos, model, [manifest], {}, database, store, Silent(), at)


@pytest.fixture
def sqlite(tmp_path: Path) -> DatabaseConfig:
    """A SQLite database without tables, for what does not depend on the kind of database."""
    return database_at(f"sqlite:///{tmp_path}/uploads.db")


@pytest.fixture
async def client(trained: Path, sqlite: DatabaseConfig) -> AsyncIterator[RecommendationClient]:
    async with running(trained, recommendation_config(sqlite)) as started:
        yield started
