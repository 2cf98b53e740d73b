"""Embedding of fields with one or several values (Hasama & Li, eq. 4-6)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tagging.recommendation.clicks.impressions import PADDING

FIRST = 0.01  # standard deviation of the first embeddings


class FieldEmbedding(nn.Module):
    """A table for each field; several values are the mean of their rows (eq. 6)."""

    def __init__(self, sizes: Mapping[str, int], width: int) -> None:
        """sizes: rows of each field's table, with the padding; F fields in all"""
        super().__init__()
        self.names = tuple(sizes)
        tables = [nn.Embedding(size, width, padding_idx=PADDING) for size in sizes.values()]
        for table in tables:
            nn.init.normal_(table.weight, std=FIRST)
            nn.init.zeros_(table.weight[PADDING])
        self.tables = nn.ModuleList(tables)

    def forward(self, fields: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return embeddings (B, F, width), zeros for a missing value, and (B, F) True where a field is present.

        fields: (B, L) rows of each field's table, PADDING behind the last
        """
        lengths = torch.stack([(fields[name] != PADDING).sum(dim=1) for name in self.names], dim=1)  # (B, F)
        sums = [table(fields[name]).sum(dim=1) for name, table in zip(self.names, self.tables, strict=True)]
        return torch.stack(sums, dim=1) / lengths.clamp(min=1)[:, :, None], lengths > 0
