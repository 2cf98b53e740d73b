"""Tagging through a real Triton server: the same tags, and what the service reports while a model is dead."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tagging.features.triton.client import TritonClient
from tagging.media.read_ahead import Failure
from tagging.pipeline.load import load_tagger
from tagging.service.config import HealthConfig
from tagging.types import VideoRef
from tests.support.cli import run
from tests.support.polling import wait_until_async
from tests.support.service import Client, running, service_config
from tests.support.triton import MISSING, TritonServer, environment

pytestmark = [pytest.mark.anyio, pytest.mark.triton, pytest.mark.skipif(environment() is None, reason=MISSING)]

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
TITLES = ["a beagle plays the piano", "Sports car of the year", "🎹 piano", "tabby " * 40, "…"]


@pytest.fixture(scope="module")
def bundle(bundles: tuple[Path, Path]) -> Path:
    return bundles[0]


@pytest.fixture(scope="module")
def server(repositories: tuple[Path, Path]) -> Iterator[TritonServer]:
    server = TritonServer(repositories[0], ["text", "frames", "audio"])
    yield server
    server.remove()


@pytest.fixture
def videos(unseen_corpus: Path) -> list[VideoRef]:
    rows = [json.loads(line) for line in unseen_corpus.read_text().splitlines()]
    clips = [VideoRef(row["video_id"], str(unseen_corpus.parent / row["uri"]), row["title"]) for row in rows]
    return [*clips, *(VideoRef(f"title-{n}", title=title) for n, title in enumerate(TITLES))]


def test_videos_get_the_same_tags_as_in_process(server: TritonServer, bundle: Path, videos: list[VideoRef]) -> None:
    with (
        TritonClient(server.url) as client,
        load_tagger(bundle) as local,
        load_tagger(bundle, triton=client) as remote,
    ):
        selection = local.selection(50, min_confidence=0.0)
        for video, want, got in zip(
            videos, local.tag_many(videos, selection), remote.tag_many(videos, selection), strict=True
        ):
            if isinstance(want, Failure) or isinstance(got, Failure):
                assert type(want) is type(got), video
                continue
            assert [tag.name for tag in got.tags] == [tag.name for tag in want.tags]
            assert got.modalities == want.modalities
            confidences = [tag.confidence for tag in want.tags]
            np.testing.assert_allclose([tag.confidence for tag in got.tags], confidences, atol=1e-4)


def test_batches_have_the_same_rows_as_in_process(
    server: TritonServer, bundle: Path, unseen_corpus: Path, tmp_path: Path
) -> None:
    common = ["batch", str(unseen_corpus), "--bundle", str(bundle)]
    for name, options in (("local", []), ("triton", ["--triton", server.url])):
        result = run(*common, "--out", str(tmp_path / name), *options)
        assert result.returncode == 0, result.stderr
    local, remote = (
        pq.read_table(tmp_path / name / "tagged/part-00000.parquet").to_pylist() for name in ("local", "triton")
    )
    assert [(row["video_id"], [tag["name"] for tag in row["tags"]]) for row in remote] == [
        (row["video_id"], [tag["name"] for tag in row["tags"]]) for row in local
    ]


@asynccontextmanager
async def service(root: Path, bundle: Path, server: TritonServer) -> AsyncIterator[Client]:
    config = service_config(root, bundle, root)
    observe = config.observe.model_copy(update={"health": HealthConfig(check_every_s=0.1)})
    config = config.model_copy(update={"triton": server.url, "observe": observe})
    async with running(config) as client:
        yield client


async def test_a_dead_model_makes_the_service_not_serving_until_it_is_reloaded(
    server: TritonServer, bundle: Path, tmp_path: Path
) -> None:
    async with service(tmp_path, bundle, server) as client:
        want = await client.names("before", "a beagle plays the piano")
        health: Any = health_pb2_grpc.HealthStub(client.channel)  # type: ignore[no-untyped-call, unused-ignore]
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=100)
        seen = [(await watch.read()).status]
        assert server.kill_models() == 3
        seen.append((await watch.read()).status)
        assert await client.names("meanwhile", "a beagle plays the piano") == want
        seen.append((await watch.read()).status)
        watch.cancel()
        assert seen == [SERVING, NOT_SERVING, SERVING]


async def test_a_restart_of_triton_loses_no_call_of_the_service(
    server: TritonServer, bundle: Path, tmp_path: Path
) -> None:
    async with service(tmp_path, bundle, server) as client:
        want = await client.names("before", "a beagle plays the piano")
        answers: list[list[str]] = []
        stop = asyncio.Event()

        async def tag_on(name: str) -> None:
            number = 0
            while not stop.is_set():
                answers.append(await client.names(f"{name}-{number}", "a beagle plays the piano"))
                number += 1

        calls = [asyncio.create_task(tag_on(name)) for name in "abcd"]
        await wait_until_async(lambda: len(answers) > 20)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        restarted = len(answers)
        await wait_until_async(lambda: len(answers) > restarted + 20 or any(call.done() for call in calls))
        stop.set()
        await asyncio.gather(*calls)
        assert answers == [want] * len(answers)
