"""Root of the configuration tree of a training.

Each part of the program receives only its own branch. A bundle keeps the tree that it was trained with; profiles.py
provides the values.
"""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from tagging.config.base import Branch, Fraction
from tagging.config.encoders import EncodersConfig
from tagging.config.media import MediaConfig
from tagging.config.rank import RankConfig
from tagging.config.recall import RecallConfig


class SelectConfig(Branch):
    """`min_confidence` above 1 answers nothing."""

    max_tags: PositiveInt = 5
    min_confidence: Annotated[float, Field(ge=0)] = 0.05


class TrainingConfig(Branch):
    """`holdout` is the share of uploaders (of videos, where no uploader is given) kept out of training.

    About `blended` videos, of whole uploaders and at most a fifth of all, vote and are not learnt from: the blend and
    the confidence are fitted on them. About `promised` others, at most a tenth of all, are fitted on by nothing: they
    say which confidence keeps which precision. For `recalled` of those learnt from rank is told what recall proposes,
    to tell it from what is true. With fewer than `least_videos` to learn from nothing is learnt:
    neighbours vote.
    """

    holdout: Fraction = 0.0
    min_tag_count: PositiveInt = 1
    blended: PositiveInt = 4000
    promised: PositiveInt = 2000
    recalled: NonNegativeInt = 4000
    least_videos: PositiveInt = 500
    seed: NonNegativeInt = 7


class Config(Branch):
    profile: str
    media: MediaConfig = MediaConfig()
    encoders: EncodersConfig
    recall: RecallConfig = RecallConfig()
    rank: RankConfig = RankConfig()
    select: SelectConfig = SelectConfig()
    training: TrainingConfig = TrainingConfig()
