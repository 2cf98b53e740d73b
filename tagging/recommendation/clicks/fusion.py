"""Fusion of modalities: the content of a video as fields of an impression (Hasama & Li, sections 1 and 4.4; the paper
gives no equations).

    t_m = W_m x_m / ‖x_m‖                                      a modality that is missing is masked
    concatenation   t_1 ... t_M, each a field of its own: "directly splicing"
    attention       Σ_m α_m t_m, α = softmax of e_m = z · tanh(t_m) over the modalities present
    user-guided     the same with e_m = z · tanh(t_m + U u): how much a modality counts depends on the user

A step of Adam changes a token by up to its rate times Σ |x|, and an embedding by its rate. Rows are scaled to length 1,
so that no encoder's scale outruns the users' embeddings: standardised rows of 384 numbers have the length 20.
"""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from recall.tower import attention_fusion


class Fusion(nn.Module):
    """Content of videos as k fields; dims: width of the rows of each of M modalities; width: D of the fields."""

    def __init__(self, dims: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.names = tuple(dims)
        self.enter = nn.ModuleList(nn.Linear(dim, width) for dim in dims.values())

    @property
    @abstractmethod
    def fields(self) -> int:
        """k"""

    @abstractmethod
    def forward(self, rows: Mapping[str, Tensor], user: Tensor) -> tuple[Tensor, Tensor]:
        """Return content (B, k, D), zeros where missing, and (B, k) True where a field is present.

        rows: (B, dim) of each modality, zeros where missing; user: (B, D)
        """

    def tokens(self, rows: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return t (B, M, D), and (B, M) True where a modality is present."""
        present = torch.stack([rows[name].any(dim=1) for name in self.names], dim=1)
        tokens = [enter(functional.normalize(rows[name])) for name, enter in zip(self.names, self.enter, strict=True)]
        return torch.stack(tokens, dim=1), present


class Concatenation(Fusion):
    """Each modality is a field."""

    @property
    def fields(self) -> int:
        return len(self.names)

    def forward(self, rows: Mapping[str, Tensor], user: Tensor) -> tuple[Tensor, Tensor]:
        tokens, present = self.tokens(rows)
        return tokens * present[:, :, None], present


class AttentionFusion(Fusion):
    """One field, in which modalities count by what they say."""

    def __init__(self, dims: Mapping[str, int], width: int) -> None:
        super().__init__(dims, width)
        self.energy = nn.Linear(width, 1, bias=False)

    @property
    def fields(self) -> int:
        return 1

    def forward(self, rows: Mapping[str, Tensor], user: Tensor) -> tuple[Tensor, Tensor]:
        content, weights = self.attend(rows, user)
        return content[:, None], weights.any(dim=1, keepdim=True)

    def attend(self, rows: Mapping[str, Tensor], user: Tensor) -> tuple[Tensor, Tensor]:
        """Return content (B, D), zeros for a video without any modality, and α (B, M), 0 for a missing modality."""
        tokens, present = self.tokens(rows)
        known = present.any(dim=1, keepdim=True)
        energies = self.energy(torch.tanh(self.seen_by(user, tokens))).squeeze(2)
        content, weights = attention_fusion(tokens, energies, present | ~known)
        return content * known, weights * known

    def seen_by(self, user: Tensor, tokens: Tensor) -> Tensor:
        """Return what the energies read (B, M, D): the tokens, for every user alike."""
        return tokens


class UserGuidedFusion(AttentionFusion):
    """One field, in which modalities count by what they say to the user."""

    def __init__(self, dims: Mapping[str, int], width: int) -> None:
        super().__init__(dims, width)
        self.guide = nn.Linear(width, width)

    def seen_by(self, user: Tensor, tokens: Tensor) -> Tensor:
        return tokens + torch.as_tensor(self.guide(user))[:, None]
