"""Video semantic embedding: two views of a video in one space (Gao et al. 2017, section 3.1).

    v_e = T_v v,  t_e = T_t t,  both scaled to unit norm

The paper's views are frames and text; here they are any two. A field is the mean of the vectors of its rows, which is
T times a vector of shares. A missing view is zero, and takes no part in eq. 1.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tagging.recommendation.items import Items

FIRST_DEVIATION = 0.05  # of embeddings: near zero, a rarely drawn row finds its direction within few steps


class SemanticEmbedding(nn.Module):
    """T_v and T_t."""

    def __init__(self, views: Sequence[str], sizes: Mapping[str, int], dims: Mapping[str, int], width: int) -> None:
        """sizes: rows of each field's table; dims: width of each dense view"""
        super().__init__()
        self.views = tuple(views)
        self.enter = nn.ModuleDict(
            {
                view: table(sizes[view], width) if view in sizes else nn.Linear(dims[view], width, bias=False)
                for view in views
            }
        )

    def forward(self, items: Items) -> list[Tensor]:
        """Return unit rows (n, D) of each view; zeros where it is missing."""
        return [functional.normalize(self._entered(view, items), dim=1) for view in self.views]

    def _entered(self, view: str, items: Items) -> Tensor:
        if view in items.fields:
            return rows_of(self.enter[view], items, view)
        return torch.as_tensor(self.enter[view](torch.from_numpy(items.dense[view])))


def table(size: int, width: int) -> nn.EmbeddingBag:
    """Return a table of vectors near zero, of which an item takes the mean."""
    bag = nn.EmbeddingBag(size, width, mode="mean")
    nn.init.normal_(bag.weight, std=FIRST_DEVIATION)
    return bag


def rows_of(bag: nn.Module, items: Items, field: str) -> Tensor:
    """Return the means (n, D) of the vectors of a field of n items; zeros for an item without any."""
    lists = items.fields[field]
    return torch.as_tensor(bag(torch.from_numpy(lists.values), torch.from_numpy(lists.starts[:-1])))


def semantic_loss(views: Sequence[Tensor], margin: float) -> Tensor:
    """Return the mean ranking loss of the videos that have both views (eq. 1):

        max(0, τ - v·t + v·t') + max(0, τ - v·t + v'·t)

    views: two of (n, D) unit rows; zeros where missing
    t' and v' are those of another video, which torch's global generator draws; 0 for fewer than two videos.
    """
    first, second = views
    both = first.any(dim=1) & second.any(dim=1)
    order = torch.randperm(int(both.sum()))
    if len(order) < 2:
        return first.new_zeros(())
    v, t = first[both][order], second[both][order]
    near = (v * t).sum(dim=1)
    far = (v * t.roll(1, dims=0)).sum(dim=1), (v.roll(1, dims=0) * t).sum(dim=1)
    return sum((functional.relu(margin - near + other) for other in far), start=torch.zeros(())).mean()
