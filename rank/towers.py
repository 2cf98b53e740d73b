"""Two-tower network of the ranker: unit vectors of videos and tags, whose cosine scores how well they match.

    video  NextVLAD over its frames and over its sound, its text, speech and screen text; their sum, context gating
    tag    its name and aliases, and its embedding in the tag graph

Texts are rows of the text encoder, or the output of a BERT that both towers share. Both begin as the vector of the
text: all text projections start equal, that of the graph at zero. A missing modality adds nothing. A new tag has no
graph embedding, so in training it is dropped for some tags.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from rank.nextvlad import ContextGating, NextVLAD, NextVLADSize
from rank.padding import Padded, to_device
from tagging.bert import Bert, pooled
from tagging.config.rank import TowersConfig
from tagging.types import PASSAGE_SOURCES, AnyModality


@dataclass(frozen=True, slots=True, eq=False)
class VideoInput:
    """Input for B videos: one entry per modality that the towers were built for."""

    text: Padded  # text states (rank/texts.py)
    media: Mapping[AnyModality, Padded]  # frames, audio; speech and screen as one row each

    def present(self) -> Tensor:
        """Return (B, 1 + media) True where a video has the modality, text first."""
        return torch.stack([mask.any(dim=1) for _, mask in (self.text, *self.media.values())], dim=1)

    def to(self, device: torch.device) -> "VideoInput":
        return VideoInput(
            to_device(self.text, device), {name: to_device(tokens, device) for name, tokens in self.media.items()}
        )


@dataclass(frozen=True, slots=True, eq=False)
class TagInput:
    """Input for M tags."""

    text: Padded
    graph: Tensor  # (M, G), graph embeddings, zeros for a tag without one

    def to(self, device: torch.device) -> "TagInput":
        return TagInput(to_device(self.text, device), self.graph.to(device))


class TowersForward(Protocol):
    """The forward passes of the trained towers, in this process or on a server; tensors are on the CPU."""

    def video_rows(self, inputs: VideoInput) -> Tensor:
        """Return (B, D) unit rows; zeros for a video without a token."""

    def tag_rows(self, inputs: TagInput) -> Tensor:
        """Return (M, D) unit rows."""


class Towers(nn.Module):
    def __init__(self, text: Bert | int, media: Mapping[AnyModality, int], graph: int, config: TowersConfig) -> None:
        """
        text: the BERT that reads texts, or the width of the text encoder's rows
        media: width of the tokens of each modality
        graph: G, width of the graph embeddings; 0 without a tag graph
        """
        super().__init__()
        self.bert = text if isinstance(text, Bert) else None
        self.text_dim = text.shape.width if isinstance(text, Bert) else text
        self.lower_layers = 0 if self.bert is None else _freeze_lower_layers(self.bert, config.trained_layers)
        self.width = width = config.width
        self.media_dims, self.graph_dim = dict(media), graph
        self.video_text = nn.Linear(self.text_dim, width)
        self.tag_text = nn.Linear(self.text_dim, width)
        nn.init.orthogonal_(self.video_text.weight)
        nn.init.zeros_(self.video_text.bias)
        self.tag_text.load_state_dict(self.video_text.state_dict())
        size = NextVLADSize(config.clusters, config.groups, config.expansion)
        self.media = nn.ModuleDict()
        for name, dim in media.items():
            is_passage = name in PASSAGE_SOURCES
            self.media[name] = PassageRow(self.video_text) if is_passage else NextVLAD(dim, width, size, config.dropout)
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
        """Return videos (B, D), tags (M, D) and the scale (1,) of a training step, all float32."""
        return self.encode_videos(videos, present), self.encode_tags(tags, graph_dropout), self.scale()[None]

    def encode_videos(self, inputs: VideoInput, present: Tensor) -> Tensor:
        """Return (B, D) unit rows; present: (B, 1 + media) True where a modality is used."""
        states, mask = inputs.text
        parts = [self.video_text(self._encode_text(states, mask))]
        parts += [self.media[name](*tokens) for name, tokens in inputs.media.items()]  # in the order of `present`
        joined = torch.stack(parts, dim=1) * present[..., None]
        return functional.normalize(self.gating(self.dropout(joined.sum(dim=1))).float(), dim=1)

    def encode_tags(self, inputs: TagInput, graph_dropout: float = 0.0) -> Tensor:
        """Return (M, D) unit rows; graph_dropout: probability to ignore the graph embedding of a tag."""
        rows = self.tag_text(self._encode_text(*inputs.text))
        if self.graph is not None:
            projected = self.graph(inputs.graph)
            if graph_dropout:
                projected = projected * (torch.rand(len(rows), 1, device=rows.device) >= graph_dropout)
            rows = rows + projected
        return functional.normalize(self.dropout(rows).float(), dim=1)

    @torch.inference_mode()
    def video_rows(self, inputs: VideoInput) -> Tensor:
        """Return (B, D) unit rows; zeros for a video without a token."""
        inputs = inputs.to(self.device)
        present = inputs.present()
        return (self.encode_videos(inputs, present) * present.any(dim=1, keepdim=True)).cpu()

    @torch.inference_mode()
    def tag_rows(self, inputs: TagInput) -> Tensor:
        """Return (M, D) unit rows."""
        return self.encode_tags(inputs.to(self.device)).cpu()

    def scale(self) -> Tensor:
        """Return 1 / temperature."""
        return self.log_scale.exp()

    def clamp_scale(self) -> None:
        """Limit the scale to 100, after each step, as CLIP does (Radford et al. 2021).

        Clamping it in `scale` instead would leave a scale above the limit without a gradient.
        """
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(100.0))

    def _encode_text(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.bert is None:
            return pooled(states, mask)
        # Attention over no token divides by zero; a text without one is read as one zero token, and masked later.
        mask = mask | ~mask.any(dim=1, keepdim=True)
        return pooled(self.bert.through(states, mask, slice(self.lower_layers, None)), mask)


class PassageRow(nn.Module):
    """Projection of the text encoder's row of speech or screen text; it starts as that of the title."""

    def __init__(self, text: nn.Linear) -> None:
        super().__init__()
        self.projection = nn.Linear(text.in_features, text.out_features)
        self.projection.load_state_dict(text.state_dict())

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return (B, width) from (B, T, text width) rows."""
        return torch.as_tensor(self.projection(pooled(tokens, mask)))


def _freeze_lower_layers(bert: Bert, trained: int) -> int:
    """Freeze all but the last `trained` layers and return how many are frozen."""
    lower = bert.shape.layers - trained
    if lower < 0:
        raise ValueError(f"{trained} layers to train, but the BERT has {bert.shape.layers}")
    for frozen in (bert.words, bert.positions, bert.norm, *bert.layers[:lower]):
        frozen.requires_grad_(False)
    return lower
