"""How good an order is: precision, recall, reciprocal rank and nDCG of ranked tags, with binary gains."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]  # catalog rows, best first
PRECISION_AT = (1, 3, 5, 10)
RECALL_AT = (20,)
NDCG_AT = 10


def ranking_row(name: str, ranked: Sequence[Rows], true: Sequence[Rows]) -> dict[str, str | float | int]:
    """Means over videos; true: at least one catalog row a video, -1 for each tag outside the catalog."""
    hits = [np.isin(rows, tags) for rows, tags in zip(ranked, true, strict=True)]
    figures: dict[str, str | float | int] = {"system": name, "videos": len(ranked)}
    for k in PRECISION_AT:
        figures[f"precision_at_{k}"] = _mean([hit[:k].sum() / k for hit in hits])
    for k in RECALL_AT:
        figures[f"recall_at_{k}"] = _mean([hit[:k].sum() / len(tags) for hit, tags in zip(hits, true, strict=True)])
    figures["mrr"] = _mean([1 / (1 + int(hit.argmax())) if hit.any() else 0.0 for hit in hits])
    figures[f"ndcg_at_{NDCG_AT}"] = _mean([_ndcg(hit, len(tags)) for hit, tags in zip(hits, true, strict=True)])
    return figures


def system_row(
    name: str, answered: Sequence[Rows], true: Sequence[Rows], seconds: float
) -> dict[str, str | float | int]:
    """The seed's Table 3: the share of the answered tags that are right, how many a video gets, and in what time."""
    right = sum(int(np.isin(rows, tags).sum()) for rows, tags in zip(answered, true, strict=True))
    given = sum(len(rows) for rows in answered)
    return {
        "system": name,
        "videos": len(answered),
        "tag_accuracy": round(right / given, 4) if given else 0.0,
        "tags_per_video": _mean([len(rows) for rows in answered]),
        "videos_without_answer": sum(not len(rows) for rows in answered),
        "ms_per_video": round(1000 * seconds / max(1, len(answered)), 2),
    }


def hard_pair_accuracy(scores: NDArray[np.floating], true: Rows, hard: Rows) -> float | None:
    """Of all pairs of a true tag and a hard one, the share with the true tag above; None where there is no pair.

    scores: (N,) of one video for every tag
    """
    if not len(true) or not len(hard):
        return None
    return float((scores[true][:, None] > scores[hard][None]).mean())


def most_confident_pairs(
    ranked: Sequence[Rows], confidences: Sequence[NDArray[np.floating]], per_video: float
) -> list[Rows]:
    """What each video is answered where its most confident (video, tag) pairs are, `per_video` in the mean.

    So systems whose scores mean different things are compared at one number of tags, and no label is looked at.
    """
    every = np.concatenate([np.zeros(0), *confidences])
    count = min(len(every), round(per_video * len(ranked)))
    chosen = np.zeros(len(every), np.bool_)
    chosen[np.argsort(-every, kind="stable")[:count]] = True
    ends = np.cumsum([len(rows) for rows in ranked], dtype=np.int64)
    return [rows[kept] for rows, kept in zip(ranked, np.split(chosen, ends)[:-1], strict=True)]


def _ndcg(hit: NDArray[np.bool_], relevant: int) -> float:
    """nDCG (Järvelin & Kekäläinen 2002) against the best list of min(NDCG_AT, relevant) hits."""
    discount = 1.0 / np.log2(np.arange(2, NDCG_AT + 2))
    first = hit[:NDCG_AT]
    return float((first * discount[: len(first)]).sum() / discount[:relevant].sum())


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0
