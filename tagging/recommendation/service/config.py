"""Configuration of the recommendation service: a TOML file, read once at the start.

Its defaults of ports differ from those of the other services, so that all run on one machine.
"""

from typing import Annotated

from pydantic import Field, PositiveFloat

from tagging.config.base import Days
from tagging.service.config import (
    Address,
    ListenAddress,
    ListenConfig,
    MetricsConfig,
    ModelServiceConfig,
    ObserveConfig,
)


class RecommendationListenConfig(ListenConfig):
    address: ListenAddress = "127.0.0.1:50053"


class RecommendationMetricsConfig(MetricsConfig):
    listen: Address | None = "127.0.0.1:9467"


class RecommendationObserveConfig(ObserveConfig):
    metrics: RecommendationMetricsConfig = RecommendationMetricsConfig()


class RecommendationServiceConfig(ModelServiceConfig):
    """The whole configuration."""

    listen: RecommendationListenConfig = RecommendationListenConfig()
    videos: Annotated[int, Field(ge=1, le=1000)] = 100  # of an answer, where the request does not say
    kept_days: Days = 30.0  # since its addition, for which an upload is recommended; then it is removed
    follow_s: PositiveFloat = 1.0  # interval of reading what `recommend add` wrote to the database
    prune_every_s: PositiveFloat = 3600.0
    observe: RecommendationObserveConfig = RecommendationObserveConfig()
