"""Metrics of a batch: what Prometheus reads while it runs."""

import urllib.request
from contextlib import closing
from socket import create_server

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tagging.errors import InvalidConfigError
from tagging.jobs.metrics import BatchMetrics, serving_metrics
from tagging.jobs.output import ShardCounts
from tagging.service.observe.metrics import Metrics
from tests.support.ports import free_port


def scrape(address: str) -> dict[tuple[str, str], float]:
    with closing(urllib.request.urlopen(f"http://{address}/metrics")) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        (sample.name, *sample.labels.values()): sample.value  # type: ignore[misc]
        for family in families
        for sample in family.samples
        if "le" not in sample.labels and not sample.name.endswith("_created")
    }


def test_a_scrape_has_the_sum_of_the_shards() -> None:
    address = f"127.0.0.1:{free_port()}"
    with serving_metrics(address) as observe:
        assert set(scrape(address).values()) == {0.0}
        observe(ShardCounts(0, 7, 2, {"decode": 1.5, "rank": 0.25}, 9))
        observe(ShardCounts(3, 1, 0, {"decode": 2.0}, 1))
        found = scrape(address)
    assert found["tagging_stage_seconds_sum", "decode"] == 3.5
    assert found["tagging_stage_seconds_count", "decode"] == 2
    assert found["tagging_stage_seconds_sum", "rank"] == 0.25
    assert found["tagging_videos_total", "tagged"] == 8
    assert found["tagging_videos_total", "failed"] == 2
    with pytest.raises(OSError, match="refused"):
        scrape(address)


def test_the_names_and_labels_are_those_of_the_service() -> None:
    def series(registry: CollectorRegistry) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        samples = [sample for family in registry.collect() for sample in family.samples]
        return {(s.name, tuple(sorted(s.labels.items()))) for s in samples if "le" not in s.labels}

    batch, service = CollectorRegistry(), CollectorRegistry()
    BatchMetrics(batch)
    Metrics(service)
    assert series(batch)
    assert series(batch) <= series(service)


@pytest.mark.parametrize("address", ["", "host", "host:", "host:x", "127.0.0.1:70000", "127.0.0.1:-1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidConfigError, match="HOST:PORT"), serving_metrics(address):
        pass


def test_an_address_in_use_is_one_error() -> None:
    with closing(create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InvalidConfigError, match="in use"), serving_metrics(address):
            pass
