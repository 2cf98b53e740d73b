"""Configuration of topics: learning, clustering and naming, and the TOML file that overrides it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tagging.config.base import Branch, Fraction, Rate, Width
from tagging.config.overrides import overridden
from tagging.config.recall import DeepWalkConfig


class MmoeConfig(Branch):
    """The multi-gate mixture of experts (topics/mmoe.py) and its training.

    experts, batch and rate are those of the paper; its 12,000 tags are the most used here, too.
    """

    experts: Annotated[int, Field(ge=1, le=1000)] = 12
    width: Width = 128  # of an expert's output, and so of the joint representation
    dropout: Fraction = 0.2  # of the standardised encoder rows
    modality_dropout: Fraction = 0.2
    tag_loss: Literal["softmax", "decoupled", "asymmetric"] = "softmax"  # recall/loss.py; softmax: eq. 2
    most_tags: PositiveInt = 12_000
    min_tag_videos: PositiveInt = 5  # least videos of a tag that is a class
    epochs: PositiveFloat = 20.0
    least_steps: PositiveInt = 200  # few videos are repeated until then
    most_steps: PositiveInt = 2000  # more videos are seen less often, or are drawn from
    batch: Annotated[int, Field(ge=2)] = 300
    rate: Rate = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01

    @model_validator(mode="after")
    def _bound_the_steps(self) -> "MmoeConfig":
        if self.least_steps > self.most_steps:
            raise ValueError(f"least_steps {self.least_steps} is more than most_steps {self.most_steps}")
        return self


class TopicsConfig(Branch):
    """Topics of a pool of videos.

    least_cohesion:  share of the usual cohesion of a tag; a tag certainly below it is left out (topics/cohesion.py)
    count:           number of topics; None: by the rule in topics/clusters.py
    topics_a_video:  mean number of topics of a video, which decides the least similarity to a topic
    """

    mmoe: MmoeConfig = MmoeConfig()
    walks: DeepWalkConfig = DeepWalkConfig(weight="videos")  # eq. 3 weighs edges by videos
    min_tag_videos: PositiveInt = 2  # least videos of a tag with a vector
    least_cohesion: Fraction = 0.15  # 0 keeps every tag
    count: PositiveInt | None = None
    topics_a_video: PositiveFloat = 4.0
    names: PositiveInt = 5  # tags that describe a topic
    examples: PositiveInt = 5  # representative videos of a topic
    seed: NonNegativeInt = 7


def load_topics_config(*paths: Path) -> TopicsConfig:
    """Return the default configuration with the values of TOML files; later files override earlier ones.

    Raises InvalidConfigError, which names the first invalid key.
    """
    return overridden(TopicsConfig(), paths)
