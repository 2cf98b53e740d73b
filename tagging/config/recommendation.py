"""Configuration of recommendation: the two towers and their training."""

from typing import Annotated, Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tagging.config.base import Branch, Fraction, Share

Fusion = Literal["attention", "concatenation"]
View = Literal["id", "tags", "tag words", "words", "uploader", "text", "frames", "audio"]


class TwoTowersConfig(Branch):
    """The two towers (recommendation/towers.py) and their training (recommendation/train.py).

    views:       what the item tower reads; a view that the videos lack is left out
    history:     last videos of a user that the user tower reads
    fusion:      attention: views weighted for each video (section 3.3); concatenation: side by side, to compare with
    id_dropout:  share of the videos of a step whose ID is hidden, so that the other views learn to stand alone
    negatives:   videos drawn for a step, which all its cases share
    popularity:  power of a video's number of users by which negatives are drawn; 0: uniformly
    loss:        softmax: cross-entropy over the negatives, logQ-corrected; sigmoid: the paper's, with `ratio`
                 negatives a case
    """

    views: Annotated[tuple[View, ...], Field(min_length=1)] = get_args(View)
    fusion: Fusion = "attention"
    width: PositiveInt = 64
    heads: PositiveInt = 2
    history: PositiveInt = 30
    dropout: Fraction = 0.2
    id_dropout: Fraction = 0.2
    min_tag_videos: PositiveInt = 2  # least videos of a tag, word or uploader with an embedding
    loss: Literal["softmax", "sigmoid"] = "softmax"
    negatives: PositiveInt = 512
    popularity: Share = 0.5
    ratio: PositiveFloat = 20.0
    epochs: PositiveFloat = 8.0
    batch: PositiveInt = 2048  # interactions
    rate: PositiveFloat = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    seed: NonNegativeInt = 7

    @model_validator(mode="after")
    def _divide_the_width(self) -> "TwoTowersConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self
