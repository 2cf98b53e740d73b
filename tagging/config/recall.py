"""Configuration of the recall stage.

Each part of the program receives only its own branch. A bundle stores the tree of its training; profiles.py has the
values.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from tagging.config.base import Branch, Drawn, Fraction, Leaves, PositiveShare, Width


class IndexConfig(Branch):
    """The kind of vector index; recall/README.md compares them.

    `uri` is for milvus and milvus-sq8 only: http(s)://HOST:PORT, or an absolute path ending in .db for milvus-lite.
    """

    backend: Literal["auto", "flat", "faiss", "hnsw", "ivf-pq", "milvus", "milvus-sq8"] = "auto"
    uri: str | None = None

    @model_validator(mode="after")
    def _names_milvus(self) -> Self:
        if self.backend.startswith("milvus") != (self.uri is not None):
            raise ValueError("the backends milvus and milvus-sq8 need a uri, and no other backend has one")
        if self.uri is not None and not re.fullmatch(r"https?://[^/@\s]+/?|/.*\.db", self.uri):
            raise ValueError("uri must be http(s)://HOST:PORT without a password, or an absolute path ending in .db")
        return self


class StrengthConfig(Branch):
    """Least strength from which a tag is proposed by its name, and the probability that it is correct.

    The probability is 1 / (1 + exp(-(slope · strength + intercept))); recall/channels/names.py defines strength.
    """

    slope: PositiveFloat
    intercept: float
    least: float
    proper: float = 0.0  # added to the strength of a proper name: one that the catalog writes with a capital letter
    share: PositiveShare = 1.0  # share of the frames or sound examples, the strongest, that are averaged
    together: Literal["sum", "max"] = "sum"  # over the classes of a tag: "sum" if they exclude each other, else "max"


class NamesConfig(Branch):
    """Channels that match the video with the names of tags. None: the channel is off.

    literal: names in the title; described: names in the description; written: names similar in meaning to the text;
    seen, heard: names of the classes of the frame and the sound encoder; spoken, shown: names in speech and on screen.
    """

    fitted_for: dict[str, str] = Field(
        default_factory=dict
    )  # modality -> fingerprint of the encoder; with another encoder its channels are off
    tags: PositiveInt = 50_000  # the most used tags of the catalog, which are proposed by name
    near: Fraction = 0.8  # cosine from which the name of a class and a tag mean the same
    literal: StrengthConfig | None = None
    described: StrengthConfig | None = None
    written: StrengthConfig | None = None
    seen: StrengthConfig | None = None
    heard: StrengthConfig | None = None
    spoken: StrengthConfig | None = None
    shown: StrengthConfig | None = None


class NgramConfig(Branch):
    """Words, word pairs and word pieces that occur in at least `least` texts; of the pieces, the `at_most` most
    frequent.
    """

    least: PositiveInt = 3
    at_most: PositiveInt = 400_000


class DeepWalkConfig(Branch):
    """Random walks over the tag graph (DeepWalk, Perozzi et al. 2014).

    `weight` is the edge weight of the transition probabilities. With numbers of videos, walks stay in the tags that one
    channel repeats; on trending YouTube videos, numbers of uploaders predict the tag pairs of other channels better.
    """

    weight: Literal["uploaders", "videos"] = "uploaders"
    dim: Width = 128
    walks: PositiveInt = 10  # from each tag
    length: Annotated[int, Field(ge=1, le=10_000)] = 100  # tags of a walk
    window: PositiveInt = 5  # context of a tag: this many tags before and after it
    negatives: PositiveFloat = 5.0  # weight of the noise relative to one context tag
    noise: Drawn = 32  # noise tags drawn per walk
    rate: PositiveFloat = 0.1  # of Adagrad at the first walk; falls to zero at the last
    batch: PositiveInt = 16  # walks per step; many small steps suit small graphs and cost no more


class RegressionConfig(Branch):
    """Kernel ridge regression (recall/regression.py)."""

    below: PositiveInt = 20_000  # labelled videos; of as many, the linear branch learns more
    landmarks: PositiveInt = 2_000
    penalties: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (
        0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
    )  # fmt: skip


class RecallModelConfig(Branch):
    """Training of the recall model (recall/train.py)."""

    ngrams: NgramConfig | None = NgramConfig()  # None: text is represented by the encoder alone
    tag_views: tuple[Literal["text", "graph"], ...] = ()  # tag inputs in addition to the n-grams of their names
    edge_uploaders: PositiveInt = 2  # least uploaders of an edge of the tag graph
    walks: DeepWalkConfig = DeepWalkConfig(walks=4)
    width: Width = 256  # of all vectors of the model
    epochs: PositiveFloat = 3.0
    least_steps: PositiveInt = 150  # few videos are repeated until then
    batch: Annotated[int, Field(ge=2)] = 256
    negatives: Drawn = 8000  # sampled labels in addition to the labels of the batch
    likened: Drawn = 2000  # of the negatives, encoded by the tag tower per step
    least_uploaders: PositiveInt = 2  # least uploaders of a tag of the linear branch
    loss: Literal["softmax", "decoupled", "asymmetric"] = "softmax"
    linear: Annotated[float, Field(ge=0)] = (
        1.0  # weights of the losses; zero: the branch is not trained and its channel is off
    )
    similarity: Annotated[float, Field(ge=0)] = 1.0
    contrastive: Annotated[float, Field(ge=0)] = 0.2
    temperature: PositiveFloat = 0.1
    regression: RegressionConfig | None = RegressionConfig()  # None: no regression, and its channel is off
    dropout: Fraction = 0.2
    ngram_dropout: Fraction = 0.2
    view_dropout: Fraction = 0.3
    rate: PositiveFloat = 1e-3
    table_rate: PositiveFloat = 0.05


class RecallFusionConfig(Branch):
    """Fusion of all channels into one probability (recall/fusion.py), and the number of candidates for ranking."""

    budget: PositiveInt = 200
    wrong: PositiveInt = 2_000_000  # wrong candidates that the trees are fitted on; of more, a sample
    trees: PositiveInt = 400
    leaves: Leaves = 15
    few_leaves: Leaves = 8  # with fewer correct candidates than `enough`
    enough: PositiveInt = 10_000
    rate: PositiveFloat = 0.03
    least_in_leaf: PositiveInt = 500
    feature_share: PositiveShare = 0.3  # of the features, drawn for each tree


class RecallConfig(Branch):
    index: IndexConfig = IndexConfig()
    names: NamesConfig = NamesConfig()
    learnt: RecallModelConfig | None = RecallModelConfig()  # None: no recall model; channels are merged by rank only
    blend: RecallFusionConfig = RecallFusionConfig()
    neighbours: Annotated[int, Field(ge=1, le=10_000)] = 300  # labelled videos that vote, per channel
    tags_per_channel: Annotated[int, Field(ge=1, le=100_000)] = 500
