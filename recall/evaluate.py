"""Recall metrics: recall@k of each channel and of their union.

The recall table of "Multimodal Video Tagging: Challenges and a Two-Stage Recall-Ranking Solution" (NetEase). Means are
over videos with at least one true tag. Every true tag is in the divisor, including tags outside the vocabulary: -1, or
a row after the catalog if the text of the video contains it. Metrics ending in `_in_vocabulary` exclude these tags, and
the videos that have no others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tagging.types import Indices

AT = (5, 20, 50, 200)


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """The tags that a channel, or the union of all, proposed for one video; None where it lacked its input."""

    rows: Indices | None  # (n,) catalog rows, best first
    true: Indices  # at least one
    tags: int  # in the catalog


def recall_at_k(proposed: Indices, true: Indices, k: int) -> float:
    """Return the share of the true tags that are among the first k proposed."""
    return float(np.isin(true, proposed[:k]).mean())


def recall_row(name: str, proposals: Sequence[Proposal]) -> dict[str, str | float | int]:
    """Return one row of the table. A video whose input the channel lacked counts as one without proposed tags."""
    rows = [proposal.rows if proposal.rows is not None else np.zeros(0, np.int64) for proposal in proposals]
    figures: dict[str, str | float | int] = {
        "channel": name,
        "videos": len(proposals),
        "videos_looked_at": sum(proposal.rows is not None for proposal in proposals),
        "tags_proposed": _mean([len(proposed) for proposed in rows]),
    }
    for k in AT:
        recalls = [recall_at_k(found, proposal.true, k) for found, proposal in zip(rows, proposals, strict=True)]
        figures[f"recall_at_{k}"] = _mean(recalls)
    known = [proposal.true[(proposal.true >= 0) & (proposal.true < proposal.tags)] for proposal in proposals]
    reachable = [(found, true) for found, true in zip(rows, known, strict=True) if len(true)]
    for k in AT:
        figures[f"recall_at_{k}_in_vocabulary"] = _mean([recall_at_k(found, true, k) for found, true in reachable])
    return figures


def lost_without(channels: Mapping[str, Sequence[Proposal]], union: Sequence[Proposal]) -> dict[str, float]:
    """Return for each channel the share of true tags that the union has and no other channel proposed; video means.

    The shares are upper bounds: other candidates that would take the freed budget might be right, too.
    """
    lost: dict[str, list[float]] = {name: [] for name in channels}
    for video, united in enumerate(union):
        found = united.true[np.isin(united.true, [] if united.rows is None else united.rows)]
        rows = {name: proposals[video].rows for name, proposals in channels.items()}
        by_name = {name: np.isin(found, [] if proposed is None else proposed) for name, proposed in rows.items()}
        channels_with = np.sum(list(by_name.values()), axis=0)
        for name, proposed in by_name.items():
            lost[name].append(float((proposed & (channels_with == 1)).sum()) / len(united.true))
    return {name: _mean(shares) for name, shares in lost.items()}


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0
