"""Active learning by simulation: how many labels the order of `videotag review` saves against random order.

A seed draws TESTS test videos and START labelled ones. In each round a cheap model (`review_model.py`) is fitted on the
labelled videos and tags the others, an order chooses PER_ROUND of them, and their editors' tags become labels: the
editor of the simulation is always right and names every tag. nDCG@10 on the test videos is that of the scorer
(binary gain, ideal list of min(10, number of true tags) hits, mean over videos; unseen tags count as missed).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.inspection.review.order import doubt, review_priorities
from tagging.inspection.review.preparation import MAX_TAGS
from tagging.progress import Progress
from tagging.text.normalise import normalise
from tagging.tools.benchmarks.datasets import Row
from tagging.tools.benchmarks.review_model import Rows, fit, text_features

TESTS, START, PER_ROUND = 400, 50, 50
DEPTH = 10  # of nDCG


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The V videos that wait, as an order sees them: their MAX_TAGS best tags, best first, and the threshold."""

    confidences: Rows  # (V, K)
    tag_rows: NDArray[np.int32]  # (V, K)
    tags: int
    threshold: float


Order = Callable[[Pool, np.random.Generator], NDArray[np.float64]]  # -> (V,) priorities


def _entropy(pool: Pool, _: np.random.Generator) -> NDArray[np.float64]:
    p = np.clip(pool.confidences.astype(np.float64), 1e-9, 1.0 - 1e-9)
    return np.asarray(-(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p)).sum(axis=1))


ORDERS: Mapping[str, Order] = {
    "random": lambda pool, rng: rng.random(len(pool.confidences)),
    "entropy": _entropy,
    "doubt": lambda pool, _: doubt(pool.confidences, pool.threshold).sum(axis=1),
    "doubt x use": lambda pool, _: review_priorities(pool.confidences, pool.tag_rows, pool.tags, pool.threshold),
}


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """V videos with features and labels."""

    features: Rows  # (V, D)
    labels: Rows  # (V, N) of 0 and 1

    @classmethod
    def of(cls, rows: Sequence[Row], progress: Progress) -> "Labelled":
        tags = [sorted({normalise(tag) for tag in row.tags}) for row in rows]
        row_of = {name: at for at, name in enumerate(sorted({name for names in tags for name in names}))}
        labels = np.zeros((len(rows), len(row_of)), np.float32)
        for at, names in enumerate(tags):
            labels[at, [row_of[name] for name in names]] = 1.0
        return cls(text_features([f"{row.title}\n{row.description}" for row in rows], progress), labels)


def simulate(videos: Labelled, order: Order, seed: int, most: int) -> dict[int, float]:
    """Return nDCG@10 by the number of labelled videos, from START to `most`. Equal seeds have equal splits."""
    split, draws = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    rows = split.permutation(len(videos.labels))
    test, labelled, waiting = np.split(rows, [TESTS, TESTS + START])
    curve: dict[int, float] = {}
    while True:
        model = fit(videos.features[labelled], videos.labels[labelled])
        curve[len(labelled)] = ndcg(model.confidences(videos.features[test]), videos.labels[test])
        if len(labelled) + PER_ROUND > most or not len(waiting):
            return curve
        pool = _pool(model.confidences(videos.features[waiting]), videos.labels[labelled])
        chosen = np.argsort(-order(pool, draws), kind="stable")[:PER_ROUND]
        labelled = np.concatenate([labelled, waiting[chosen]])
        waiting = np.delete(waiting, chosen)


def _pool(confidences: Rows, labels: Rows) -> Pool:
    """Return the pool under the threshold at which its videos have as many tags as labelled ones."""
    answered = max(1, int(labels.sum() / len(labels) * len(confidences)))
    threshold = float(np.partition(confidences.ravel(), -answered)[-answered])
    best = np.argsort(-confidences, axis=1, kind="stable")[:, :MAX_TAGS]
    return Pool(np.take_along_axis(confidences, best, 1), best.astype(np.int32), confidences.shape[1], threshold)


def ndcg(confidences: Rows, labels: Rows) -> float:
    """Return the mean nDCG@10 of (V, N) confidences; tags of confidence 0 are not answered."""
    best = np.argsort(-confidences, axis=1, kind="stable")[:, :DEPTH]
    hits = np.take_along_axis(labels * (confidences > 0.0), best, 1)
    discounts = 1.0 / np.log2(np.arange(2, best.shape[1] + 2))
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, DEPTH + 2)))])
    true = np.minimum(labels.sum(axis=1).astype(int), DEPTH)
    return float(((hits * discounts).sum(axis=1)[true > 0] / ideal[true[true > 0]]).mean())


def labels_needed(curve: Mapping[int, float], target: float) -> float | None:
    """Return the labels at which a curve first reaches a target, interpolated; None if it never does."""
    before: tuple[int, float] | None = None
    for labels, value in curve.items():
        if value >= target:
            if before is None:
                return float(labels)
            return before[0] + (labels - before[0]) * (target - before[1]) / (value - before[1])
        before = labels, value
    return None


def review_benchmark(
    rows: Sequence[Row], orders: Sequence[str], seeds: Sequence[int], most: int, progress: Progress
) -> dict[str, list[dict[str, Any]]]:
    """Return the tables: nDCG by labels, and labels saved against random order; mean and spread over the seeds."""
    videos = Labelled.of([row for row in rows if row.tags], progress)
    names = ["random", *(name for name in orders if name != "random")]
    curves: dict[str, list[dict[int, float]]] = {name: [] for name in names}
    with progress.track("simulate", len(names) * len(seeds)) as advance:
        for seed in seeds:
            for name in names:
                curves[name].append(simulate(videos, ORDERS[name], seed, most))
                advance(1)
    return {
        "nDCG@10 by labelled videos": [{"order": name, **_by_labels(curves[name])} for name in names],
        "against random order, by seed": [
            row for name in names[1:] for row in _against_random(name, curves[name], curves["random"])
        ],
    }


def _by_labels(curves: Sequence[Mapping[int, float]]) -> dict[str, str]:
    return {str(labels): mean_and_spread([curve[labels] for curve in curves]) for labels in list(curves[0])[::3]}


def _against_random(
    name: str, curves: Sequence[Mapping[int, float]], random: Sequence[Mapping[int, float]]
) -> list[dict[str, str]]:
    """Return rows with the difference of nDCG, and the labels that reach the nDCG that random order has at `labels`."""
    rows = []
    for labels in list(random[0])[3::3]:
        gains = [curve[labels] - other[labels] for curve, other in zip(curves, random, strict=True)]
        needed = [labels_needed(curve, other[labels]) for curve, other in zip(curves, random, strict=True)]
        reached = [found for found in needed if found is not None]
        rows.append(
            {
                "order": name,
                "labels": str(labels),
                "nDCG@10 gained": mean_and_spread(gains, "+.4f"),
                "seeds gained": f"{sum(gain > 0 for gain in gains)} of {len(gains)}",
                "labels for the same": mean_and_spread(reached, ".0f") if reached else "not reached",
                "seeds that reached it": f"{len(reached)} of {len(needed)}",
            }
        )
    return rows


def mean_and_spread(values: Sequence[float], form: str = ".4f") -> str:
    """Return the mean and the sample standard deviation."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return f"{format(float(np.mean(values)), form)} ± {format(spread, form.lstrip('+'))}"
