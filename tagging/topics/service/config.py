"""Configuration of the topic service: a TOML file, read once at the start.

Its defaults of ports differ from those of the tagging service, so that both run on one machine.
"""

from pydantic import PositiveFloat

from tagging.config.topic_queues import QueuesConfig
from tagging.service.config import (
    Address,
    ListenAddress,
    ListenConfig,
    MetricsConfig,
    ModelServiceConfig,
    ObserveConfig,
)


class TopicListenConfig(ListenConfig):
    address: ListenAddress = "127.0.0.1:50052"


class TopicMetricsConfig(MetricsConfig):
    listen: Address | None = "127.0.0.1:9466"


class TopicObserveConfig(ObserveConfig):
    metrics: TopicMetricsConfig = TopicMetricsConfig()


class TopicServiceConfig(ModelServiceConfig):
    """The whole configuration."""

    listen: TopicListenConfig = TopicListenConfig()
    queues: QueuesConfig = QueuesConfig()
    prune_every_s: PositiveFloat = 3600.0
    observe: TopicObserveConfig = TopicObserveConfig()
