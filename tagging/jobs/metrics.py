"""Prometheus metrics of a batch, under the names of the service's, so that dashboards and alerts serve both.

A stage is observed once a shard, with the seconds that it took for the shard's rows: the driver knows no single videos,
which other processes or machines tag. The server is prometheus_client's own (Apache-2.0): unlike the service, a batch
answers only whom its operator lets reach the address.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from tagging.errors import InvalidConfigError
from tagging.jobs.output import Observe, ShardCounts
from tagging.pipeline.stages import Stage

BUCKETS = (0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)  # seconds
OUTCOMES = ("tagged", "failed")


class BatchMetrics:
    """The metrics, in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._stage_seconds = Histogram(
            "tagging_stage_seconds",
            "Duration of stages, of a shard each.",
            ("stage",),
            registry=registry,
            buckets=BUCKETS,
        )
        self._videos = Counter(
            "tagging_videos", "Videos in the shards that this run wrote.", ("outcome",), registry=registry
        )
        for stage in get_args(Stage):  # a rate misses the first event of a series that did not exist before
            self._stage_seconds.labels(stage)
        for outcome in OUTCOMES:
            self._videos.labels(outcome)

    def observe(self, counts: ShardCounts) -> None:
        """Count a shard that this run wrote."""
        for stage, seconds in counts.seconds.items():
            self._stage_seconds.labels(stage).observe(seconds)
        self._videos.labels("tagged").inc(counts.tagged)
        self._videos.labels("failed").inc(counts.dead_letters)


@contextmanager
def serving_metrics(address: str) -> Iterator[Observe]:
    """Serve metrics on HOST:PORT while the context lasts; provide what counts a shard.

    Raises InvalidConfigError for an address that cannot be listened on.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise InvalidConfigError(f"--metrics {address!r} is not HOST:PORT", "such as 127.0.0.1:9100")
    registry = CollectorRegistry()
    try:
        server, thread = start_http_server(int(port), host.strip("[]") or "127.0.0.1", registry)
    except OSError as error:
        raise InvalidConfigError(
            f"metrics cannot be served on {address}: {error.strerror}", "choose another address"
        ) from error
    try:
        yield BatchMetrics(registry).observe
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
