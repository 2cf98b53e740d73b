"""Configuration of the recall stage.

Each part of the program receives only its own branch. A bundle keeps the tree that it was trained with; profiles.py
provides the values.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from tagging.config.base import Branch, Fraction, PositiveShare


class IndexConfig(Branch):
    """`uri` is for milvus alone: http(s)://HOST:PORT, or an absolute path ending in .db for milvus-lite."""

    backend: Literal["flat", "faiss", "hnsw", "ivf-pq", "milvus"] = "faiss"
    uri: str | None = None

    @model_validator(mode="after")
    def _names_milvus(self) -> Self:
        if (self.backend == "milvus") != (self.uri is not None):
            raise ValueError("the backend milvus needs a uri, and no other backend has one")
        if self.uri is not None and not re.fullmatch(r"https?://[^/@\s]+/?|/.*\.db", self.uri):
            raise ValueError("uri must be http(s)://HOST:PORT without a password, or an absolute path ending in .db")
        return self


class StrengthConfig(Branch):
    """From which strength on a tag's name is proposed, and how likely it is right then.

    Its probability is 1 / (1 + exp(-(slope · strength + intercept))); recall/channels/names.py defines strength.
    """

    slope: PositiveFloat
    intercept: float
    least: float
    share: PositiveShare = 1.0  # of the frames or examples, those with most of it, whose mean counts
    together: Literal["sum", "max"] = "sum"  # of the classes that speak for a tag: they exclude each other, or not


class NamesConfig(Branch):
    """The direct sources: the video against the tags' own names. None: no such source.

    literal: names in the title; described: names in the description; written: names similar in meaning to the text.
    """

    fitted_for: dict[str, str] = Field(
        default_factory=dict
    )  # modality -> fingerprint of the encoder; with another its sources are left out
    tags: PositiveInt = 50_000  # the catalog's first, which are the most used, are proposed by name
    near: Fraction = 0.8  # cosine from which a class's name and a tag's begin to mean the same
    literal: StrengthConfig | None = None
    described: StrengthConfig | None = None
    written: StrengthConfig | None = None
    seen: StrengthConfig | None = None
    heard: StrengthConfig | None = None


class NgramConfig(Branch):
    """Words, pairs of words and pieces of words in at least `least` texts; of pieces the `at_most` most frequent."""

    least: PositiveInt = 3
    at_most: PositiveInt = 400_000


class DeepWalkConfig(Branch):
    """`weight` is what a walk chooses its next tag by. Counting videos, as the edges do, walks circle in the tags that
    one channel repeats: on YouTube's trending videos counting uploaders foretells other channels' pairs better.
    """

    weight: Literal["uploaders", "videos"] = "uploaders"
    dim: PositiveInt = 128
    walks: PositiveInt = 10  # from each tag
    length: PositiveInt = 100  # tags of a walk
    window: PositiveInt = 5  # a tag's context: so many tags before it and after it
    negatives: PositiveFloat = 5.0  # weight of the noise relative to one context tag
    noise: PositiveInt = 32  # noise tags drawn per walk
    rate: PositiveFloat = 0.1  # of Adagrad at the first walk; falls to zero at the last
    batch: PositiveInt = 16  # walks a step; many small steps serve small graphs, and cost no more


class RecallModelConfig(Branch):
    """Training of the recall model (recall/train.py)."""

    ngrams: NgramConfig | None = NgramConfig()  # None: text is represented by the encoder alone
    tag_views: tuple[Literal["text", "graph"], ...] = ()  # tag inputs in addition to the n-grams of their names
    edge_uploaders: PositiveInt = 2  # that speak for an edge of the tag graph
    walks: DeepWalkConfig = DeepWalkConfig(walks=4)
    width: PositiveInt = 256  # of every learnt vector
    epochs: PositiveFloat = 3.0
    least_steps: PositiveInt = 150  # so few videos are gone through more often
    batch: Annotated[int, Field(ge=2)] = 256
    negatives: PositiveInt = 8000  # labels drawn in addition to those of the batch
    likened: PositiveInt = 2000  # of these, encoded by the tag tower per step
    least_uploaders: PositiveInt = 2  # that use a tag of the linear branch
    loss: Literal["softmax", "decoupled", "asymmetric"] = "softmax"
    linear: Annotated[float, Field(ge=0)] = 1.0  # weights of the losses; zero: not learnt, and no such channel
    similarity: Annotated[float, Field(ge=0)] = 1.0
    contrastive: Annotated[float, Field(ge=0)] = 0.2
    temperature: PositiveFloat = 0.1
    dropout: Fraction = 0.2
    ngram_dropout: Fraction = 0.2
    view_dropout: Fraction = 0.3
    rate: PositiveFloat = 1e-3
    table_rate: PositiveFloat = 0.05


class RecallFusionConfig(Branch):
    """Fusion of all channels into one probability (recall/fusion.py), and the number of candidates for ranking."""

    budget: PositiveInt = 200
    trees: PositiveInt = 200
    leaves: Annotated[int, Field(ge=2)] = 15
    rate: PositiveFloat = 0.1
    least_in_leaf: PositiveInt = 100


class RecallConfig(Branch):
    index: IndexConfig = IndexConfig()
    names: NamesConfig = NamesConfig()
    learnt: RecallModelConfig | None = RecallModelConfig()  # None: nothing is learnt, channels are joined by rank alone
    blend: RecallFusionConfig = RecallFusionConfig()
    neighbours: Annotated[int, Field(ge=1, le=10_000)] = 300  # labelled videos that vote, a channel
    tags_per_channel: Annotated[int, Field(ge=1, le=100_000)] = 500
