"""Prometheus metrics of the topic service: those of every service, engagement events and candidates."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from tagging.service.observe.metrics import CallMetrics
from tagging.topics.service.contract import TOPICS

CANDIDATE_BUCKETS = (0, 1, 10, 50, 100, 200, 500, 1000)


class TopicMetrics(CallMetrics):
    """The metrics, in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, TOPICS)
        self._events = Counter("tagging_engagement_events", "Reported events.", ("outcome",), registry=registry)
        self.candidates = Histogram(
            "tagging_candidates", "Candidates of an answer.", registry=registry, buckets=CANDIDATE_BUCKETS
        )
        for outcome in ("counted", "repeated"):
            self._events.labels(outcome)

    def reported(self, counted: int, repeated: int) -> None:
        """Count the events of a report."""
        self._events.labels("counted").inc(counted)
        self._events.labels("repeated").inc(repeated)
