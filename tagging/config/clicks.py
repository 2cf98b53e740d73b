"""Configuration of the click model, of the audio-visual learner, and of their training."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from tagging.config.base import Branch, Fraction, Rate, Width


class ClicksConfig(Branch):
    """The click model (recommendation/clicks/network.py) and the training that every compared system shares.

    width:       of the embeddings of all fields
    layers:      of multi-head self-attention; 0: none
    crossings:   layers of attention crossing; 0: none
    hidden:      widths of the perceptron's layers; none: no perceptron
    first_order: numbers whose sum is a first-order weight; more make its steps larger against those of embeddings
    interaction_dropout: share of the impressions of a step that are predicted by first-order weights alone
    min_count:   least impressions of the training part with a value that has an embedding
    epochs:      at most
    patience:    epochs without a lower log loss of the validation part until training stops
    """

    width: Width = 16
    heads: PositiveInt = 2
    layers: Annotated[int, Field(ge=0, le=100)] = 1
    crossings: Annotated[int, Field(ge=0, le=100)] = 1
    hidden: tuple[Width, ...] = (64, 32)
    dropout: Fraction = 0.2
    first_order: Width = 4
    interaction_dropout: Fraction = 0.5
    min_count: PositiveInt = 2
    epochs: PositiveInt = 20
    patience: PositiveInt = 3
    batch: Annotated[int, Field(ge=2)] = 512  # impressions; batch normalisation needs two
    rate: Rate = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    seed: NonNegativeInt = 7

    @model_validator(mode="after")
    def _divide_the_width(self) -> "ClicksConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self

    @model_validator(mode="after")
    def _relate_fields(self) -> "ClicksConfig":
        if not self.layers + self.crossings:
            raise ValueError("layers and crossings are both 0, expected at least one layer that relates fields")
        return self


class AudioVisualConfig(Branch):
    """The audio-visual learner (recommendation/clicks/audio_visual.py) and its training.

    width:      of each of the four features
    similar:    weight of the similarity loss, eq. 10
    differ:     weight of the difference loss, eq. 11
    validation: share of the training videos that stop the training
    patience:   epochs without a lower cross-entropy of the validation videos until training stops
    """

    width: Width = 128
    similar: Annotated[float, Field(ge=0)] = 0.1
    differ: Annotated[float, Field(ge=0)] = 0.01
    dropout: Fraction = 0.3  # of the entering rows
    validation: Fraction = 0.15
    epochs: PositiveInt = 100
    patience: PositiveInt = 10
    batch: PositiveInt = 64
    rate: Rate = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    seed: NonNegativeInt = 7
