"""How much of the truth recall brings: the seed's Table 1.

Means are over videos with at least one true tag, and every true tag is in the divisor, also those that no closed
vocabulary can reach: -1, or a row beyond the catalog where the video's own words named it. Figures ending in
`_in_vocabulary` leave those out, with the videos that then have none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]  # catalog rows, best first
AT = (5, 20, 50, 200)


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """The tags a channel, or the union of all, proposed for one video; None where it had nothing to look at."""

    rows: Rows | None
    true: Rows  # at least one
    tags: int  # in the catalog


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
    known = [p.true[(p.true >= 0) & (p.true < p.tags)] for p in proposals]
    reachable = [(r, true) for r, true in zip(rows, known, strict=True) if len(true)]
    for k in AT:
        figures[f"recall_at_{k}_in_vocabulary"] = _mean([recall_at_k(r, true, k) for r, true in reachable])
    return figures


def lost_without(channels: Mapping[str, Sequence[Proposal]], union: Sequence[Proposal]) -> dict[str, float]:
    """Of the true tags, the share that the union has and no channel but this one proposed, in a mean over videos.

    An upper bound: what would take the place of those candidates in the budget might be right, too.
    """
    lost: dict[str, list[float]] = {name: [] for name in channels}
    for place, joined in enumerate(union):
        said = {name: some[place].rows for name, some in channels.items()}
        found = joined.true[np.isin(joined.true, [] if joined.rows is None else joined.rows)]
        by_name = {name: np.isin(found, [] if rows is None else rows) for name, rows in said.items()}
        voices = np.sum(list(by_name.values()), axis=0)
        for name, proposed in by_name.items():
            lost[name].append(float((proposed & (voices == 1)).sum()) / len(joined.true))
    return {name: _mean(shares) for name, shares in lost.items()}


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0
