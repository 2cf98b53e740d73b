"""Configuration of the ranking stage.

Each part of the program receives only its own branch. A bundle stores the tree of its training; profiles.py has the
values.
"""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from tagging.config.base import Branch, Fraction, Leaves, PositiveShare, Share, Width
from tagging.config.recall import DeepWalkConfig


class NoisyOrConfig(Branch):
    """Trust in each channel's score when they are fused (rank/fusion.py)."""

    text_weight: Share = 1.0
    video_weight: Share = 0.5
    audio_weight: Share = 0.5
    written_weight: Share = 1.0  # the channels of tag names give probabilities
    seen_weight: Share = 1.0
    heard_weight: Share = 1.0
    spoken_weight: Share = 1.0
    shown_weight: Share = 1.0
    extracted_weight: Share = 1.0


class BertConfig(Branch):
    """Initial BERT of the ranker: a folder or a name on the hub, and the layers to keep, as in TinyBERT four."""

    weights: str
    layers: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0, 1, 2, 3)
    max_tokens: Annotated[int, Field(ge=8)] = 256


class TowersConfig(Branch):
    """The ranker's towers (rank/towers.py); clusters, groups and expansion as in NextVLAD."""

    width: Width = 256
    trained_layers: NonNegativeInt = 0  # upper layers of a BERT; the lower ones are frozen
    clusters: Width = 32
    groups: Width = 8
    expansion: Annotated[int, Field(ge=1, le=100)] = 2
    dropout: Fraction = 0.1


class NegativesConfig(Branch):
    """Sampling of negatives (rank/negatives.py).

    `drawn` is negative_num in "Multimodal Video Tagging: Challenges and a Two-Stage Recall-Ranking Solution" (NetEase).
    """

    drawn: PositiveInt = 4000  # random negatives; with as many as there are tags, or more, all tags are used
    by: Literal["uniform", "popularity"] = "uniform"
    two_hop: Annotated[int, Field(ge=0, le=100_000)] = 40  # per video
    recalled: NonNegativeInt = 40  # per video
    margin: PositiveShare = (
        0.95  # a video's negatives closer than this share of its true tags' mean cosine are left out
    )
    edges: PositiveInt = 20  # strongest edges of each tag that walks may take
    positives: PositiveInt = 8  # of a video, sampled in each step


class TreeRerankerConfig(Branch):
    """Boosted trees that re-rank a video's candidates by all channel scores (rank/tree_reranker.py)."""

    trees: PositiveInt = 300
    leaves: Leaves = 8
    rate: PositiveFloat = 0.03
    least_in_leaf: PositiveInt = 100
    feature_share: PositiveShare = 0.5  # of the features, drawn for each tree


class TagOffsetsConfig(Branch):
    """Per-tag thresholds, for tags that enough held-out uploaders have among their candidates (rank/tag_offsets.py)."""

    spreads: tuple[PositiveFloat, ...] = (0.2, 0.4, 0.8)  # log-odds to choose from; (): no offsets
    standard_errors: float = 2.0  # least gain for uploaders that they were not fitted on; below it there are no offsets
    least_uploaders: PositiveInt = 50


class RankerConfig(Branch):
    """The contrastive ranker and its training (rank/train.py)."""

    bert: BertConfig | None = None  # None: the towers read the rows of the text encoder
    towers: TowersConfig = TowersConfig()
    negatives: NegativesConfig = NegativesConfig()
    walks: DeepWalkConfig = DeepWalkConfig(walks=4)  # the tag graph's vectors
    edge_uploaders: PositiveInt = 2  # least uploaders of an edge of the tag graph
    order: TreeRerankerConfig = TreeRerankerConfig()
    offsets: TagOffsetsConfig = TagOffsetsConfig()
    batch: Annotated[int, Field(ge=2)] = 64
    at_once: PositiveInt = (
        16_384  # videos or tags in memory together; larger steps are computed in two passes (GradCache)
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a GPU if torch finds one
    processes: PositiveInt | None = None  # for training, one per GPU; None: one for each GPU, or one on the CPU
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # of training; auto: bfloat16 on GPUs that support it
    epochs: PositiveFloat = 6.0
    least_steps: PositiveInt = 300
    rate: PositiveFloat = 1e-3
    bert_rate: PositiveFloat = 5e-5
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    max_norm: PositiveFloat = 1.0  # of the gradient
    view_dropout: Fraction = 0.2
    graph_dropout: Fraction = 0.3


class RankConfig(Branch):
    fusion: NoisyOrConfig = NoisyOrConfig()
    ranker: RankerConfig | None = RankerConfig()  # None: no ranker is trained
