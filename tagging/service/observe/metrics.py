"""Prometheus metrics of the service: counters, gauges and histograms.

Every label comes from a closed set, so clients cannot create series: ids, names and texts belong in logs.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from grpc import StatusCode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tagging import errors
from tagging.pipeline.stages import Stage
from tagging.service.clients.roles import TAGGING
from tagging.service.contract import OTHER, Contract
from tagging.service.errors.status import CODES, reason_of

UNEXPECTED = "INTERNAL"

# tagged: with at least one tag; untagged: answered without any; stored: answered from the store.
Outcome = Literal["tagged", "untagged", "stored", "failed"]
# Errors that refuse a call before its content is looked at.
REJECTING: Mapping[type[errors.VideotagError], str] = {
    kind: reason_of(kind)
    for kind, code in CODES.items()
    if code in (StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED)
}

# In seconds, up to the limit for decoding; stored answers take milliseconds.
REQUEST_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class CallMetrics:
    """The metrics of any service, in a registry of the caller's: its calls and its database."""

    def __init__(self, registry: CollectorRegistry, contract: Contract) -> None:
        self.contract = contract
        self.request_seconds = Histogram(
            "tagging_request_seconds",
            "Duration of calls, from arrival to the last byte.",
            ("method", "code"),
            registry=registry,
            buckets=REQUEST_BUCKETS,
        )
        self.in_flight = Gauge("tagging_in_flight", "Calls in progress.", ("method",), registry=registry)
        self._rejected = Counter(
            "tagging_rejected", "Rejected calls, and rejected videos of a stream.", ("reason",), registry=registry
        )
        self.database_errors = Counter("tagging_database_errors", "Failed database operations.", registry=registry)
        self.database_bytes = Gauge(
            "tagging_database_bytes", "Size of the database, free pages included.", registry=registry
        )
        # Every series begins at zero: a rate misses the first event of a series that did not exist before.
        for method in (*contract.methods, OTHER):
            self.in_flight.labels(method)
        for method in contract.methods:
            self.request_seconds.labels(method, StatusCode.OK.name)
        for reason in REJECTING.values():
            self._rejected.labels(reason)

    def rejected(self, error: Exception) -> None:
        """Count an error that rejects a call; ignore other errors, which are results of a request."""
        kind = next((kind for kind in type(error).__mro__ if kind in REJECTING), None)
        if kind is not None:
            self._rejected.labels(REJECTING[kind]).inc()


class Metrics(CallMetrics):
    """The metrics of the tagging service. Values that other parts hold are read at each scrape: readings.py."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, TAGGING)
        self.stage_seconds = Histogram(
            "tagging_stage_seconds", "Duration of stages.", ("stage",), registry=registry, buckets=STAGE_BUCKETS
        )
        self.stage_errors = Counter(
            "tagging_stage_errors", "Stages that ended with an error.", ("stage", "reason"), registry=registry
        )
        self.videos = Counter("tagging_videos", "Answered videos.", ("outcome",), registry=registry)
        for stage in get_args(Stage):
            self.stage_seconds.labels(stage)
        for outcome in get_args(Outcome):
            self.videos.labels(outcome)


def error_reason(error: BaseException) -> str:
    """Return the reason of an error as clients read it in ErrorInfo."""
    kind = next((kind for kind in type(error).__mro__ if kind in CODES), None)
    return UNEXPECTED if kind is None else reason_of(kind)
