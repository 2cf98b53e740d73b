"""Root of the configuration tree of a training.

Each part of the program receives only its own branch. A bundle stores the tree of its training; profiles.py has the
values.
"""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from tagging.config.base import Branch, Fraction
from tagging.config.encoders import EncodersConfig
from tagging.config.media import MediaConfig
from tagging.config.rank import RankConfig
from tagging.config.recall import RecallConfig


class SelectConfig(Branch):
    """Selection of the answered tags; a `min_confidence` above 1 selects none."""

    max_tags: PositiveInt = 5
    min_confidence: Annotated[float, Field(ge=0)] = 0.05


class TrainingConfig(Branch):
    """Split of the labelled videos. Each part consists of whole uploaders; videos without an uploader count separately.

    holdout:      share of the uploaders that is kept out of the bundle, for `videotag evaluate --held-out`
    blended:      fusion and confidence are fitted on about this many videos, which vote but train no model; where they
                  would be more than a fifth of all, each fifth is held out once, from models of its own
    promised:     about this many other videos, at most a tenth, which nothing is fitted on: precision control measures
                  the precision of each confidence on them
    recalled:     number of training videos whose recall candidates are negatives of the ranker
    least_videos: with fewer training videos no model is trained; neighbours vote
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
