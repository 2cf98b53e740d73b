"""Ranking metrics: precision, recall, reciprocal rank and nDCG of ranked tags, with binary gains."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]  # catalog rows, best first
PRECISION_AT = (1, 3, 5, 10)
RECALL_AT = (20,)
NDCG_AT = 10


def ranking_row(name: str, ranked: Sequence[Rows], true: Sequence[Rows]) -> dict[str, str | float | int]:
    """Return the metrics of a system, as means over videos.

    true: at least one catalog row per video, -1 for each true tag outside the catalog
    """
    hits = [np.isin(rows, tags) for rows, tags in zip(ranked, true, strict=True)]
    metrics: dict[str, str | float | int] = {"system": name, "videos": len(ranked)}
    for k in PRECISION_AT:
        metrics[f"precision_at_{k}"] = _mean([hit[:k].sum() / k for hit in hits])
    for k in RECALL_AT:
        metrics[f"recall_at_{k}"] = _mean([hit[:k].sum() / len(tags) for hit, tags in zip(hits, true, strict=True)])
    metrics["mrr"] = _mean([1 / (1 + int(hit.argmax())) if hit.any() else 0.0 for hit in hits])
    metrics[f"ndcg_at_{NDCG_AT}"] = _mean([_ndcg(hit, len(tags)) for hit, tags in zip(hits, true, strict=True)])
    return metrics


def system_row(
    name: str, answered: Sequence[Rows], true: Sequence[Rows], seconds: float
) -> dict[str, str | float | int]:
    """Return accuracy and number of the answered tags and the time per video of a system.

    The columns of Table 3 in "Multimodal Video Tagging: Challenges and a Two-Stage Recall-Ranking Solution" (NetEase
    News).
    seconds: for all videos
    """
    correct = sum(int(np.isin(rows, tags).sum()) for rows, tags in zip(answered, true, strict=True))
    count = sum(len(rows) for rows in answered)
    return {
        "system": name,
        "videos": len(answered),
        "tag_accuracy": round(correct / count, 4) if count else 0.0,
        "tags_per_video": _mean([len(rows) for rows in answered]),
        "videos_without_answer": sum(not len(rows) for rows in answered),
        "ms_per_video": round(1000 * seconds / max(1, len(answered)), 2),
    }


def hard_pair_accuracy(scores: NDArray[np.floating], true: Rows, hard: Rows) -> float | None:
    """Return the share of (true, hard) pairs of tags in which the true tag has the higher score; None without a pair.

    scores: (N,) of one video for every tag of the catalog
    """
    if not len(true) or not len(hard):
        return None
    return float((scores[true][:, None] > scores[hard][None]).mean())


def most_confident_pairs(
    ranked: Sequence[Rows], confidences: Sequence[NDArray[np.floating]], per_video: float
) -> list[Rows]:
    """Return the answers made of the most confident (video, tag) pairs over all videos, `per_video` tags on average.

    This compares systems whose scores have different meanings at the same number of tags, without using any label.
    """
    pooled = np.concatenate([np.zeros(0), *confidences])
    count = min(len(pooled), round(per_video * len(ranked)))
    chosen = np.zeros(len(pooled), np.bool_)
    chosen[np.argsort(-pooled, kind="stable")[:count]] = True
    ends = np.cumsum([len(rows) for rows in ranked], dtype=np.int64)
    return [rows[kept] for rows, kept in zip(ranked, np.split(chosen, ends)[:-1], strict=True)]


def _ndcg(hit: NDArray[np.bool_], relevant: int) -> float:
    """Return nDCG (Järvelin & Kekäläinen 2002); the ideal list has min(NDCG_AT, relevant) hits."""
    discount = 1.0 / np.log2(np.arange(2, NDCG_AT + 2))
    top = hit[:NDCG_AT]
    return float((top * discount[: len(top)]).sum() / discount[:relevant].sum())


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0
