"""Dynamic recurrent network: a GRU over interest vectors of videos (Gao et al. 2017, sections 3.2 and 3.3).

    interest vector   x_i = T_x (v_e ⊕ t_e) + p_i, at unit length
    state             h_t = GRU(x_1 … x_t)
    user              W h_t + x_t + ũ_t, at unit length
    preference        s · cos(user, x_i)

p_i is the row of video i in the matrix T_p of eq. 8. The paper gives T_p to the softmax alone and T_x to the GRU alone;
here both are one vector, as input and output embeddings of language models are (Press & Wolf 2017).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tagging.config.recommendation import RecurrentConfig
from tagging.recommendation.items import ID, Items
from tagging.recommendation.recurrent.interest import decayed_means, padded
from tagging.recommendation.recurrent.semantic import SemanticEmbedding, rows_of, table

FIRST_SCALE = 15.0
MOST_SCALE = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class EncodedVideos:
    """n videos: their two semantic embeddings, none if the network reads no view; and their interest vectors."""

    semantic: list[Tensor]  # (n, D) unit rows of each view; zeros where missing
    vectors: Tensor  # (n, D) unit rows; zeros for a video of which nothing is known


class RecurrentNetwork(nn.Module):
    """Encoders of videos and users."""

    def __init__(self, sizes: Mapping[str, int], dims: Mapping[str, int], config: RecurrentConfig) -> None:
        """sizes: rows of each field's table; dims: width of each dense view"""
        super().__init__()
        width = config.width
        views = config.views if config.semantic else ()
        self.semantic = SemanticEmbedding(views, sizes, dims, width)
        self.project = nn.Linear(len(views) * width, width, bias=False) if views else None  # T_x
        self.own = table(sizes[ID], width)  # T_p
        self.topics = nn.Linear(config.topics, width, bias=False)  # T_u
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)
        self.memory = GruMemory(width) if config.memory == "gru" else StaticMemory(width)
        self.decay = config.decay
        self.interest = config.interest
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())

    def videos(self, items: Items) -> EncodedVideos:
        semantic = self.semantic(items)
        vectors = rows_of(self.own, items, ID)
        if self.project is not None:
            vectors = vectors + self.project(torch.cat(semantic, dim=1))
        return EncodedVideos(semantic, functional.normalize(vectors, dim=1))

    def users(self, watched: Tensor, mask: Tensor) -> Tensor:
        """Return unit rows (P, D): the user after each video.

        watched: (P, D) unit rows of the videos of B users, one user after the other
        mask:    (B, T) True at the P places of the videos, from the left
        """
        inputs = padded(self.norm(watched), mask)
        states = self.memory(inputs, self.dropout(inputs))
        if self.interest:
            states = states + decayed_means(inputs, self.decay)
        return functional.normalize(states[mask], dim=1)

    def logits(self, cosines: Tensor) -> Tensor:
        return cosines * self.log_scale.exp().clamp(max=MOST_SCALE)


class GruMemory(nn.Module):
    """W h_t + x_t with a GRU (eq. 5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, batch_first=True)
        self.leave = nn.Linear(width, width)

    def forward(self, inputs: Tensor, dropped: Tensor) -> Tensor:
        """Return (B, T, D); inputs: (B, T, D); dropped: the same after dropout"""
        states, _ = self.gru(dropped)
        return inputs + torch.as_tensor(self.leave(states))


class StaticMemory(nn.Module):
    """The paper's Static-DNN (section 4.6): three layers over the mean of the videos watched, whatever their order."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )

    def forward(self, inputs: Tensor, dropped: Tensor) -> Tensor:
        """Return (B, T, D); inputs: (B, T, D); dropped: the same after dropout"""
        return decayed_means(inputs, 0.0) + torch.as_tensor(self.layers(decayed_means(dropped, 0.0)))
