"""Configuration of the topic service: a TOML file, read once at the start."""

from typing import ClassVar

from pydantic import PositiveFloat

from tagging.config.topic_queues import QueuesConfig
from tagging.service.config import ModelServiceConfig


class TopicServiceConfig(ModelServiceConfig):
    """The whole configuration."""

    port: ClassVar = 50052
    metrics_port: ClassVar = 9466

    queues: QueuesConfig = QueuesConfig()
    prune_every_s: PositiveFloat = 3600.0
