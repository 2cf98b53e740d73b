"""Configuration of the recommendation service: a TOML file, read once at the start."""

from typing import Annotated, ClassVar

from pydantic import Field, PositiveFloat

from tagging.config.base import Days
from tagging.service.config import ModelServiceConfig


class RecommendationServiceConfig(ModelServiceConfig):
    """The whole configuration."""

    port: ClassVar = 50053
    metrics_port: ClassVar = 9467

    videos: Annotated[int, Field(ge=1, le=1000)] = 100  # of an answer, where the request does not say
    kept_days: Days = 30.0  # since its addition, for which an upload is recommended; then it is removed
    follow_s: PositiveFloat = 1.0  # interval of reading what `recommend add` wrote to the database
    prune_every_s: PositiveFloat = 3600.0
