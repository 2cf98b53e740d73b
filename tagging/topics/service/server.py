"""Topic service: loads the pool of a topic model, serves it and prunes the tables."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry
from videotag.v1 import topics_pb2_grpc as rpc

from tagging.service.background import repeating, running
from tagging.service.inference.turns import Turns
from tagging.service.model_server import Running, serving_model
from tagging.store.database.database import Database
from tagging.store.database.engagements import Engagements
from tagging.store.database.topic_queues import TopicQueues
from tagging.store.database.topic_videos import TopicVideos
from tagging.topics.files import read_topics, read_videos
from tagging.topics.manifest import TOPIC_MODEL
from tagging.topics.queues.upkeep import load_pool, prune
from tagging.topics.service.calls import TopicCalls
from tagging.topics.service.config import TopicServiceConfig
from tagging.topics.service.metrics import TopicMetrics
from tagging.topics.service.servicer import ServedTopics, TopicServicer


def serving(
    folder: Path,
    config: TopicServiceConfig,
    tracer: Tracer | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AbstractAsyncContextManager[Running]:
    """Serve a topic model while the context lasts; then report NOT_SERVING and let running calls finish.

    tracer: None: without traces
    Raises ArtifactError for the model, and on entry the errors of `serving_model`.
    """
    manifest = TOPIC_MODEL.read(folder)
    topics, groups = read_topics(folder)
    registry = CollectorRegistry()
    metrics, servicer = TopicMetrics(registry), TopicServicer()

    @asynccontextmanager
    async def opened(database: Database, turns: Turns) -> AsyncIterator[str]:
        videos, queues = TopicVideos(database), TopicQueues(database)
        engagements = Engagements(database, config.queues.half_life_s)
        await load_pool(videos, manifest.version, read_videos(folder), clock())
        calls = TopicCalls(topics, videos, queues, engagements, config.queues, clock)
        servicer.open(ServedTopics(manifest.version, groups, calls, turns, metrics, clock))
        pruning = repeating(
            lambda: prune(queues, engagements, config.queues, clock()),
            config.prune_every_s,
            metrics,
            "the topic tables cannot be pruned",
        )
        async with running(pruning):
            yield manifest.version

    add = partial(rpc.add_TopicServiceServicer_to_server, servicer)
    return serving_model(config, registry, metrics, add, opened, tracer)
