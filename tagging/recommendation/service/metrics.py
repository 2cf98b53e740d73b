"""Prometheus metrics of the recommendation service: those of every service, its uploads, histories and answers."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tagging.recommendation.service.contract import RECOMMENDATION
from tagging.service.observe.metrics import CallMetrics

VIDEO_BUCKETS = (0, 1, 10, 50, 100, 200, 500, 1000)


class RecommendationMetrics(CallMetrics):
    """The metrics, in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, RECOMMENDATION)
        self.uploads = Gauge("tagging_uploads", "New uploads in memory.", registry=registry)
        self.recommended = Histogram(
            "tagging_recommended_videos", "Videos of an answer.", registry=registry, buckets=VIDEO_BUCKETS
        )
        self._watched = Counter("tagging_watched_videos", "Videos of histories.", ("outcome",), registry=registry)
        for outcome in ("known", "unknown"):
            self._watched.labels(outcome)

    def answered(self, watched: int, unknown: int, recommended: int) -> None:
        """Record an answer to a history of different videos."""
        self._watched.labels("known").inc(watched - unknown)
        self._watched.labels("unknown").inc(unknown)
        self.recommended.observe(recommended)
