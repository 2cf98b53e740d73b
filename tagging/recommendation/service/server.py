"""Recommendation service: loads a model and its uploads, serves them and follows the database."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry
from videotag.v1 import recommendation_pb2_grpc as rpc

from tagging.recommendation.service.calls import RecommendationCalls
from tagging.recommendation.service.config import RecommendationServiceConfig
from tagging.recommendation.service.follow import UploadsFollower
from tagging.recommendation.service.metrics import RecommendationMetrics
from tagging.recommendation.service.servicer import RecommendationServicer, ServedModel
from tagging.recommendation.service.uploads import Uploads
from tagging.recommendation.two_towers.files import read_model
from tagging.recommendation.two_towers.manifest import TWO_TOWERS
from tagging.service.background import repeating, running
from tagging.service.inference.turns import Turns
from tagging.service.model_server import Running, serving_model
from tagging.store.database.database import Database
from tagging.store.database.video_vectors import VideoVectors


def serving(
    folder: Path,
    config: RecommendationServiceConfig,
    tracer: Tracer | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AbstractAsyncContextManager[Running]:
    """Serve a recommendation model while the context lasts; then report NOT_SERVING and let running calls finish.

    tracer: None: without traces
    Raises ArtifactError for the model, and on entry the errors of `serving_model`.
    """
    manifest = TWO_TOWERS.read(folder)
    stored = read_model(folder, manifest)
    registry = CollectorRegistry()
    metrics, servicer = RecommendationMetrics(registry), RecommendationServicer()
    width = stored.model.towers.width

    @asynccontextmanager
    async def opened(database: Database, turns: Turns) -> AsyncIterator[str]:
        uploads = Uploads(width)
        vectors = VideoVectors(database, manifest.version, width)
        follower = UploadsFollower(vectors, uploads, config.kept_days, metrics, clock)
        await follower.follow()
        calls = RecommendationCalls(stored, uploads, config, clock)
        servicer.open(ServedModel(manifest.version, calls, turns, metrics))
        async with (
            running(repeating(follower.follow, config.follow_s, metrics, "the uploads cannot be followed")),
            running(repeating(follower.prune, config.prune_every_s, metrics, "the old uploads cannot be removed")),
        ):
            yield manifest.version

    add = partial(rpc.add_RecommendationServiceServicer_to_server, servicer)
    return serving_model(config, registry, metrics, add, opened, tracer)
