"""Configuration of recommendation: the two towers, the dynamic recurrent model, and their training."""

from typing import Annotated, Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tagging.config.base import Branch, Drawn, Fraction, Rate, Share, Width

Fusion = Literal["attention", "concatenation"]
View = Literal["id", "tags", "tag words", "words", "uploader", "text", "frames", "audio"]
ContentView = Literal["tags", "tag words", "words", "text", "frames", "audio"]
Epochs = Annotated[float, Field(gt=0, le=100_000)]


class SequenceTraining(Branch):
    """Training on sequences, each video from those before it (recommendation/loop.py).

    history:     last videos of a user that are read
    negatives:   videos drawn for a step, which all its cases share
    popularity:  power of a video's number of users by which negatives are drawn; 0: uniformly
    """

    history: Annotated[int, Field(ge=1, le=10_000)] = 30
    negatives: Drawn = 512
    popularity: Share = 0.5
    epochs: Epochs = 8.0
    batch: Annotated[int, Field(ge=1, le=1_000_000_000)] = 2048  # interactions
    rate: Rate = 3e-3
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
    width: Width = 64
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


class RecurrentConfig(SequenceTraining):
    """The dynamic recurrent model (recommendation/recurrent) with the parameters of its paper's eq. 1 to 9.

    views:    the two that the semantic embedding reads
    semantic, interest: whether the network reads the views, and adds the decayed interest to the state
    memory:   gru; static: three layers over the mean of what was watched
    steps:    whose next video the coherence loss predicts: of all videos of a sequence, or of the last alone
    """

    views: tuple[ContentView, ContentView] = ("words", "tags")
    semantic: bool = True
    interest: bool = True
    memory: Literal["gru", "static"] = "gru"
    steps: Literal["all", "last"] = "all"
    semantic_weight: Annotated[float, Field(ge=0)] = 0.2  # λ1
    interest_weight: Annotated[float, Field(ge=0)] = 0.4  # λ2
    relevance_weight: Annotated[float, Field(ge=0)] = 0.2  # λ3
    semantic_margin: PositiveFloat = 0.3  # τ1, of cosines
    relevance_margin: PositiveFloat = 0.5  # τ2, of cosines
    decay: Annotated[float, Field(ge=0)] = 0.4  # λ of eq. 2 and 3, of a video; 0: none
    topics: Width = 70
    width: Width = 64
    dropout: Fraction = 0.2
    min_tag_videos: PositiveInt = 2  # least videos of a tag or word with an embedding
    epochs: Epochs = 4.0
    rate: Rate = 5e-3

    @model_validator(mode="after")
    def _read_two_views(self) -> "RecurrentConfig":
        if self.views[0] == self.views[1]:
            raise ValueError(f"views are twice {self.views[0]}, expected two different ones")
        return self
