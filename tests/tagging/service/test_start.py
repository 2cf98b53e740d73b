"""Start and restart of a service: stored answers, start-up errors, and its metrics."""

import asyncio
import logging
import urllib.request
from pathlib import Path

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import ArtifactNotFoundError, InvalidConfigError
from tagging.service.config import ObserveConfig, ServiceConfig, with_address
from tagging.service.server import serving
from tests.support.service import EVERYTHING, refused, running

pytestmark = pytest.mark.anyio


async def test_a_repeated_call_is_answered_from_the_store_also_after_a_restart(
    service_config: ServiceConfig,
) -> None:
    async with running(service_config) as client:
        first = await client.tag("v1", "a dog barks")
        again = await client.tag("v1", "a dog barks")
        assert (first.from_store, again.from_store) == (False, True)
        assert again.tags == first.tags
        assert not (await client.tag("v1", "a cat purrs")).from_store  # other content
        assert not (await client.tag("v1", "a dog barks", options=EVERYTHING)).from_store  # other limits
    async with running(service_config) as client:
        assert (await client.tag("v1", "a dog barks")).tagged_at == first.tagged_at
        stored = await client.stub.GetTagging(pb.GetTaggingRequest(video_id="v1", content_hash=first.content_hash))
        assert stored.tagging.content_hash == first.content_hash
        async with refused(grpc.StatusCode.NOT_FOUND, "UNKNOWN_ID"):
            await client.stub.GetTagging(pb.GetTaggingRequest(video_id="unknown"))


async def test_a_service_that_cannot_start_raises_the_reason(service_config: ServiceConfig, tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFoundError):
        async with serving(tmp_path / "nothing", service_config):
            pass
    async with running(service_config) as client:
        taken = with_address(client.config.listen, f"127.0.0.1:{client.port}")
        with pytest.raises(InvalidConfigError, match="cannot listen on"):
            async with serving(client.bundle, client.config.model_copy(update={"listen": taken})):
                pass
    open_to_all = with_address(service_config.listen, "0.0.0.0:0")
    with pytest.raises(InvalidConfigError, match="client authentication is not configured"):
        async with serving(tmp_path, service_config.model_copy(update={"listen": open_to_all})):
            pass
    with pytest.raises(InvalidConfigError, match="is not HOST:PORT"):
        with_address(service_config.listen, "nowhere")


async def test_the_metrics_reflect_the_calls(service_config: ServiceConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tagging")
    observed = ObserveConfig.model_validate({"metrics": {"listen": "127.0.0.1:0"}})
    async with running(service_config.model_copy(update={"observe": observed})) as client:
        answer = await client.tag("v1", "a dog barks", options=EVERYTHING)
        [port] = [vars(record)["metrics_port"] for record in caplog.records if hasattr(record, "metrics_port")]

        def scraped() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
                families = list(text_string_to_metric_families(response.read().decode()))
            return {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in families
                for sample in family.samples
            }

        found = await asyncio.to_thread(scraped)
    for name, labels, value in (
        ("tagging_serving", {}, 1),
        ("tagging_connections", {}, 1),
        ("tagging_connections_allowed", {}, service_config.listen.connections),
        ("tagging_videos_total", {"outcome": "tagged"}, 1),
        ("tagging_request_seconds_count", {"method": "TagVideo", "code": "OK"}, 1),
        ("tagging_stage_seconds_count", {"stage": "store"}, 2),
        ("tagging_bundle_info", {"role": "active", "version": answer.bundle_version}, 1),
    ):
        assert found[name, frozenset(labels.items())] == value, name
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
