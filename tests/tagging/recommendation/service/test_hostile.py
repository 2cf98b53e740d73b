"""Malformed requests of the recommendation service: each is answered or refused, and none is an unexpected error."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from videotag.v1 import recommendation_pb2 as pb

from tagging.recommendation.service.contract import RECOMMENDATION
from tagging.store.database.config import DatabaseConfig
from tagging.tools.load_test.mutate import mutant
from tagging.tools.load_test.odd_texts import ODD_TEXTS
from tests.tagging.recommendation.service.conftest import RecommendationClient, add, recommendation_config, running

pytestmark = pytest.mark.anyio
BOTH = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}
VALID = pb.RecommendVideosRequest(watched_video_ids=["v1", "v2", "a"], max_videos=7)


@pytest.fixture
async def client(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[RecommendationClient]:
    async with running(trained, recommendation_config(sqlite)) as started:
        await add(trained, sqlite, tmp_path, {"a": ["group 1"], "b": ["group 2"]})
        await started.sees("a", "b")
        yield started
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def status_of(client: RecommendationClient, request: bytes) -> grpc.StatusCode:
    stub: Any = client.channel.unary_unary(f"/{RECOMMENDATION.service}/RecommendVideos")
    code = await stub(request).code()
    assert isinstance(code, grpc.StatusCode)
    return code


async def test_damaged_requests_are_refused_or_answered(client: RecommendationClient) -> None:
    generator = np.random.default_rng(1)
    seeds = [VALID.SerializeToString()]
    assert {await status_of(client, mutant(seeds, generator)) for _ in range(300)} == BOTH
    assert await client.ids("v1") in (["a", "b"], ["b", "a"])


async def test_odd_texts_are_refused_or_answered(client: RecommendationClient) -> None:
    requests = [pb.RecommendVideosRequest(watched_video_ids=["v1", text]) for text in ODD_TEXTS]
    assert {await status_of(client, request.SerializeToString()) for request in requests} == BOTH
