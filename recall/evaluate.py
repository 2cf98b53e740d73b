"""How much of the truth recall brings: the seed's Table 1.

Means are over videos with at least one true tag, and every true tag is in the divisor, also those that no closed
vocabulary can reach (row -1). Figures ending in `_in_vocabulary` leave those out, with the videos that then have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]  # catalog rows, best first
AT = (5, 20, 50, 200)


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """The tags a channel, or the union of all, proposed for one video; None where it had nothing to look at."""

    rows: Rows | None
    true: Rows  # at least one, -1 for each tag outside the catalog


def recall_at_k(proposed: Rows, true: Rows, k: int) -> float:
    """Share of the true tags that are among the first k proposed."""
    return float(np.isin(true, proposed[:k]).mean())


def recall_row(name: str, proposals: Sequence[Proposal]) -> dict[str, str | float | int]:
    """One row of the table. A video the channel could not look at counts as one without a tag."""
    rows = [p.rows if p.rows is not None else np.zeros(0, np.int64) for p in proposals]
    figures: dict[str, str | float | int] = {
        "channel": name,
        "videos": len(proposals),
        "videos_looked_at": sum(p.rows is not None for p in proposals),
        "tags_proposed": _mean([len(r) for r in rows]),
    }
    for k in AT:
        figures[f"recall_at_{k}"] = _mean([recall_at_k(r, p.true, k) for r, p in zip(rows, proposals, strict=True)])
    reachable = [(r, p.true[p.true >= 0]) for r, p in zip(rows, proposals, strict=True) if (p.true >= 0).any()]
    for k in AT:
        figures[f"recall_at_{k}_in_vocabulary"] = _mean([recall_at_k(r, true, k) for r, true in reachable])
    return figures


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0
