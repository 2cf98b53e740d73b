"""Multi-gate mixture of experts (MMoE, Ma et al. 2018) over the encoder rows of a video: its joint representation.

Eq. 1 of "Multimodal Topic Learning for Video Recommendation" (Kuaibao), for each task k from coarse to fine:

    p^k = h^k(f^k(x)),   f^k(x) = Σ_i g^k(x)_i f_i(x),   x = [frames ‖ text ‖ sound]

The paper fine-tunes its encoders through this network, and z is their concatenated output x afterwards. Here encoders
are frozen, so that features are computed once and shared with tagging: x cannot change. z is therefore the first layer
that all tasks have shaped, the mean of the tasks' mixtures f^k, each at unit length so that no task outweighs another.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tagging.config.topics import MmoeConfig
from tagging.topics.content import ContentRows
from tagging.types import FloatRows, Indices

BATCH = 4096
EPSILON = 1e-6


class Mmoe(nn.Module):
    """H experts, and a gate and a tower for each task.

    Rows are standardised by the mean and deviation of the training videos, as the rows of some encoders differ by a
    few hundredths only. A missing modality is a vector of its own, which training learns; at first it is the mean.
    """

    def __init__(self, dims: Mapping[str, int], tasks: Mapping[str, int], config: MmoeConfig) -> None:
        """dims: width of each modality, in the order of x; tasks: number of classes of each task."""
        super().__init__()
        self.dims, self.tasks, self.width = dict(dims), dict(tasks), config.width
        total = sum(dims.values())
        self.mean = nn.ParameterDict(_constants(dims, 0.0))
        self.scale = nn.ParameterDict(_constants(dims, 1.0))
        self.missing = nn.ParameterDict({name: nn.Parameter(torch.zeros(dim)) for name, dim in dims.items()})
        self.experts = nn.Linear(total, config.experts * config.width)
        self.gates = nn.ModuleDict({task: nn.Linear(total, config.experts) for task in tasks})
        self.towers = nn.ModuleDict({task: nn.Linear(config.width, classes) for task, classes in tasks.items()})
        self.dropout = nn.Dropout(config.dropout)

    def standardise(self, content: ContentRows, videos: Indices) -> None:
        """Take mean and deviation from the rows of the training videos; a modality that none has stays as it is."""
        for column, (name, rows) in enumerate(content.values.items()):
            known = videos[content.present[videos, column]]
            if not len(known):
                continue
            sums = np.zeros((2, rows.shape[1]))  # of the rows and of their squares
            for start in range(0, len(known), BATCH):  # a copy of all rows of a large pool would double its memory
                part = rows[known[start : start + BATCH]].astype(np.float64)
                sums += part.sum(axis=0), np.square(part).sum(axis=0)
            mean, squares = sums / len(known)
            deviation = np.sqrt(np.maximum(squares - np.square(mean), 0))
            self.mean[name].copy_(torch.from_numpy(mean))
            self.scale[name].copy_(torch.from_numpy(deviation).clamp(min=EPSILON))

    def forward(self, values: Mapping[str, Tensor], present: Tensor) -> dict[str, Tensor]:
        """Return the logits (B, classes) of each task.

        values:  (B, dim) of each modality, ignored where it is missing
        present: (B, modalities) True where a modality is present, in the order of `dims`
        """
        return {task: self.towers[task](mixture) for task, mixture in self.mixtures(values, present).items()}

    def mixtures(self, values: Mapping[str, Tensor], present: Tensor) -> dict[str, Tensor]:
        """Return f^k (B, width) of each task."""
        x = self._joined(values, present)
        outputs = functional.relu(self.experts(x)).reshape(len(x), -1, self.width)  # (B, H, width)
        return {task: torch.einsum("bh,bhw->bw", gate(x).softmax(dim=1), outputs) for task, gate in self.gates.items()}

    def joint(self, values: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Return z (B, width) at unit length."""
        mixtures = [functional.normalize(mixture, dim=1) for mixture in self.mixtures(values, present).values()]
        return functional.normalize(torch.stack(mixtures).mean(dim=0), dim=1)

    @torch.inference_mode()
    def represent(self, content: ContentRows) -> FloatRows:
        """Return z (V, width) of videos; zeros for a video without any modality."""
        rows = np.zeros((len(content), self.width), np.float32)
        known = np.flatnonzero(content.known)
        for start in range(0, len(known), BATCH):
            batch = content.only(known[start : start + BATCH])
            values = {name: torch.from_numpy(batch.values[name]) for name in self.dims}
            rows[known[start : start + BATCH]] = self.joint(values, torch.from_numpy(batch.present)).numpy()
        return rows

    def _joined(self, values: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Return x (B, sum of dims)."""
        parts = []
        for column, name in enumerate(self.dims):
            rows = (values[name] - self.mean[name]) / self.scale[name]
            parts.append(torch.where(present[:, column, None], rows, self.missing[name]))
        return torch.as_tensor(self.dropout(torch.cat(parts, dim=1)))


def _constants(dims: Mapping[str, int], value: float) -> dict[str, nn.Parameter]:
    """Return a vector for each modality that is saved with the weights and not trained."""
    return {name: nn.Parameter(torch.full((dim,), value), requires_grad=False) for name, dim in dims.items()}
