"""Configuration of recommendation: the two towers and their training."""

from typing import Annotated, Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tagging.config.base import Branch, Fraction, Share

Fusion = Literal["attention", "concatenation"]
View = Literal["id", "tags", "tag words", "words", "uploader", "text", "frames", "audio"]


class SequenceTraining(Branch):
    """Training on sequences, each video from those before it (recommendation/loop.py).

    history:     last videos of a user that are read
    negatives:   videos drawn for a step, which all its cases share
    popularity:  power of a video's number of users by which negatives are drawn; 0: uniformly
    """

    history: PositiveInt = 30
    negatives: PositiveInt = 512
    popularity: Share = 0.5
    epochs: PositiveFloat = 8.0
    batch: PositiveInt = 2048  # interactions
    rate: PositiveFloat = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    seed: NonNegativeInt = 7


class TwoTowersConfig(SequenceTraining):
    """The two towers (recommendation/two_towers/towers.py) and their training (recommendation/two_towers/train.py).

    views:       what the item tower reads; a view that the videos lack is left out
    fusion:      attention: views weighted for each video (section 3.3); concatenation: side by side, to compare with
    id_dropout:  share of the videos of a step whose ID is hidden, so that the other views learn to stand alone
    loss:        softmax: cross-entropy over the negatives, logQ-corrected; sigmoid: the paper's, with `ratio`
                 negatives a case
    """

    views: Annotated[tuple[View, ...], Field(min_length=1)] = get_args(View)
    fusion: Fusion = "attention"
    width: PositiveInt = 64
    heads: PositiveInt = 2
    dropout: Fraction = 0.2
    id_dropout: Fraction = 0.2
    min_tag_videos: PositiveInt = 2  # least videos of a tag, word or uploader with an embedding
    loss: Literal["softmax", "sigmoid"] = "softmax"
    ratio: PositiveFloat = 20.0

    @model_validator(mode="after")
    def _divide_the_width(self) -> "TwoTowersConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self
