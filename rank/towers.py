"""The two towers of the ranker: a video and a tag become unit vectors, whose cosine says whether they belong together.

    video  NextVLAD over its frames, NextVLAD over its sound, BERT over its text; their sum, context gating
    tag    the same BERT over its name and aliases, and where it stands in the tag graph

Both begin as what BERT makes of the text: the projections start equal, the graph's at zero. A modality that is missing
adds nothing; a tag that is new has no place in the graph, so in training that drops out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rank.bert import Bert, pooled
from rank.nextvlad import ContextGating, NextVLAD
from rank.padding import Padded, to_device
from tagging.config.rank import TowersConfig
from tagging.types import Modality


@dataclass(frozen=True, slots=True, eq=False)
class VideoInput:
    """What towers read of B videos; a modality that no tower was made for is left out."""

    text: Padded  # as the lower layers leave it
    media: Mapping[Modality, Padded]  # frames, audio

    def present(self) -> Tensor:
        """(B, 1 + media) True where there is the modality, text first."""
        return torch.stack([mask.any(dim=1) for _, mask in (self.text, *self.media.values())], dim=1)

    def to(self, device: torch.device) -> "VideoInput":
        return VideoInput(
            to_device(self.text, device), {name: to_device(one, device) for name, one in self.media.items()}
        )


@dataclass(frozen=True, slots=True, eq=False)
class TagInput:
    """What towers read of M tags."""

    text: Padded
    graph: Tensor  # (M, G), zeros for a tag without a place

    def to(self, device: torch.device) -> "TagInput":
        return TagInput(to_device(self.text, device), self.graph.to(device))


class Towers(nn.Module):
    def __init__(self, bert: Bert, media: Mapping[Modality, int], graph: int, config: TowersConfig) -> None:
        """media: width of the tokens of each modality; graph: G, 0 where there are no tag graph's vectors."""
        super().__init__()
        self.bert = bert
        self.lower = bert.shape.layers - config.trained_layers
        if self.lower < 0:
            raise ValueError(f"{config.trained_layers} layers to train of a BERT of {bert.shape.layers}")
        for frozen in (bert.words, bert.positions, bert.norm, *bert.layers[: self.lower]):
            frozen.requires_grad_(False)
        self.width = width = config.width
        self.media_dims, self.graph_dim = dict(media), graph
        self.video_text = nn.Linear(bert.shape.width, width)
        self.tag_text = nn.Linear(bert.shape.width, width)
        nn.init.orthogonal_(self.video_text.weight)
        nn.init.zeros_(self.video_text.bias)
        self.tag_text.load_state_dict(self.video_text.state_dict())
        self.media = nn.ModuleDict(
            {
                name: NextVLAD(dim, width, config.clusters, config.groups, config.expansion, config.dropout)
                for name, dim in media.items()
            }
        )
        self.gating = ContextGating(width)
        self.graph = nn.Linear(graph, width, bias=False) if graph else None
        if self.graph is not None:
            nn.init.zeros_(self.graph.weight)
        self.dropout = nn.Dropout(config.dropout)
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))

    @property
    def device(self) -> torch.device:
        return self.log_scale.device

    def forward(
        self, videos: VideoInput, present: Tensor, tags: TagInput, graph_dropout: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What a step of training takes: videos (B, D), tags (M, D), and the scale (1,), all float32."""
        return self.encode_videos(videos, present), self.encode_tags(tags, graph_dropout), self.scale()[None]

    def encode_videos(self, given: VideoInput, present: Tensor) -> Tensor:
        """(B, D) unit rows; present: (B, 1 + media) True where a modality that is there is looked at."""
        states, mask = given.text
        parts = [self.video_text(self._read(states, mask))]
        parts += [self.media[name](*tokens) for name, tokens in given.media.items()]  # in the order of `present`
        joined = torch.stack(parts, dim=1) * present[..., None]
        return functional.normalize(self.gating(self.dropout(joined.sum(dim=1))).float(), dim=1)

    def encode_tags(self, given: TagInput, graph_dropout: float = 0.0) -> Tensor:
        """(M, D) unit rows; graph_dropout: the share of tags whose place in the graph is not looked at."""
        rows = self.tag_text(self._read(*given.text))
        if self.graph is not None:
            places = self.graph(given.graph)
            if graph_dropout:
                places = places * (torch.rand(len(rows), 1, device=rows.device) >= graph_dropout)
            rows = rows + places
        return functional.normalize(self.dropout(rows).float(), dim=1)

    def scale(self) -> Tensor:
        """1 / temperature."""
        return self.log_scale.exp()

    def clamp_scale(self) -> None:
        """To 100 at most, after each step, as CLIP does (Radford et al. 2021); clamped where it is read, a scale that
        once went beyond would have no gradient to come back by.
        """
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(100.0))

    def _read(self, states: Tensor, mask: Tensor) -> Tensor:
        # A text without a word would make attention divide by nothing; it is read as one empty word, and masked later.
        mask = mask | ~mask.any(dim=1, keepdim=True)
        return pooled(self.bert.through(states, mask, slice(self.lower, None)), mask)
