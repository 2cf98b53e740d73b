"""Benchmark of topics: Table I of "Multimodal Topic Learning for Video Recommendation" (Kuaibao).

Held-out videos, a tenth, are clustered by K-means on each representation, K the number of their categories; adjusted
Rand index (ARI) and normalised mutual information (NMI) compare the clusters with the categories. Of a table with
uploaders whole uploaders are held out. A seed draws the division, the training and the start of K-means.

Figure 3: the mean distance of videos of different clusters over that of videos of one, for CLUSTERINGS of the first
division. It compares representations without categories; each is measured in its own space.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from tagging.config.profiles import load_config
from tagging.config.topics import TopicsConfig
from tagging.errors import InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.tools.benchmarks.review import mean_and_spread
from tagging.tools.benchmarks.topic_systems import Fold, System, systems_of
from tagging.tools.benchmarks.topic_tables import CategorisedTable
from tagging.topics.learn import Learnt, learn_topics
from tagging.topics.pool import Pool
from tagging.topics.representation import unit_rows
from tagging.types import FloatRows, Indices

HELD_OUT = 0.1  # of the videos, or of the uploaders
LEAST_HELD_OUT = 20
CLUSTERINGS = 10
TIMED = 200  # videos whose assignment is timed


def topics_benchmark(
    table: CategorisedTable,
    seeds: Sequence[int],
    videos: int | None,
    config: TopicsConfig,
    store: FeatureStore,
    progress: Progress,
) -> dict[str, list[dict[str, Any]]]:
    """Return the tables: counts, agreement with the categories (mean and spread over seeds), and time to assign.

    videos: number of videos to draw from the table; None: all
    """
    pool = _pool(table, videos, store, progress)
    scores: dict[str, list[dict[str, float]]] = {}
    ratios: dict[str, list[float]] = {}
    counts = {**table.counts, "videos": len(pool)}
    for seed in seeds:
        fold = divide(pool, seed)
        systems = systems_of(fold, config.model_copy(update={"seed": seed}), progress)
        for system, measured in measure(fold, systems, seed).items():
            scores.setdefault(system, []).append(measured)
        ratios = ratios or distance_ratios(systems, len({video.category for video in fold.held_out.videos}))
    fold = divide(pool, seeds[0])
    counts |= {"of them held out": len(fold.held_out)}
    started = time.perf_counter()
    learnt = learn_topics(fold.training, config, progress)
    seconds = time.perf_counter() - started
    return {
        "Videos": [{"count": name, "": number} for name, number in counts.items()],
        f"Agreement with the categories of held-out videos, {len(seeds)} seeds": [
            {"system": system, **{name: mean_and_spread([row[name] for row in rows]) for name in rows[0]}}
            for system, rows in scores.items()
        ],
        f"Distance ratios, {CLUSTERINGS} clusterings": [
            {"system": system, "inter / intra": mean_and_spread(found)} for system, found in ratios.items()
        ],
        "Time": [_times(learnt, fold, seconds)],
    }


def divide(pool: Pool, seed: int) -> Fold:
    """Hold out a tenth of the videos; of videos with uploaders, those of a tenth of the uploaders."""
    uploaders = pool.uploaders()
    drawn = np.random.default_rng(seed).random(int(uploaders.max()) + 1) < HELD_OUT
    held_out = drawn[uploaders]
    if held_out.sum() < LEAST_HELD_OUT:
        raise InvalidManifestError(f"{held_out.sum()} of {len(pool)} videos are held out, expected {LEAST_HELD_OUT}")
    return Fold(pool.only(np.flatnonzero(~held_out)), pool.only(np.flatnonzero(held_out)))


def measure(fold: Fold, systems: Mapping[str, System], seed: int) -> dict[str, dict[str, float]]:
    """Return ARI and NMI of each system against each level of categories that the held-out videos have."""
    levels = {
        "category": [video.category for video in fold.held_out.videos],
        "subcategory": [
            video.subcategory and f"{video.category}\n{video.subcategory}" for video in fold.held_out.videos
        ],
    }
    scores: dict[str, dict[str, float]] = {}
    for name, system in systems.items():
        scores[name] = {}
        for level, labels in levels.items():
            stated = np.array([bool(label) for label in labels])
            classes = np.unique(np.array(labels)[stated], return_inverse=True)[1]
            if classes.max(initial=0) < 1:
                continue
            clusters = system.cluster(int(classes.max()) + 1, seed)[stated]
            scores[name] |= {
                f"{level} ARI": float(adjusted_rand_score(classes, clusters)),
                f"{level} NMI": float(normalized_mutual_info_score(classes, clusters)),
            }
    return scores


def distance_ratios(systems: Mapping[str, System], count: int) -> dict[str, list[float]]:
    """Return the ratios of each system with representations, for K = `count`, of the videos that all of them know."""
    represented = {name: system for name, system in systems.items() if system.rows is not None}
    known = np.all([system.rows.known for system in represented.values() if system.rows is not None], axis=0)
    return {
        name: [
            distance_ratio(system.rows.values[known], system.cluster(count, seed)[known]) for seed in range(CLUSTERINGS)
        ]
        for name, system in represented.items()
        if system.rows is not None
    }


def distance_ratio(rows: FloatRows, clusters: Indices) -> float:
    """Return the mean cosine distance of two videos of different clusters over that of two of one cluster.

    rows: (V, D); clusters: (V,)
    The cosines of all pairs sum to (|sum of the unit rows|² - V) / 2, so that no pair has to be looked at.
    """
    unit = unit_rows(rows).astype(np.float64)

    def sums(part: NDArray[np.float64]) -> tuple[float, float]:
        """Return the number of pairs, and the sum of their distances."""
        pairs = len(part) * (len(part) - 1) / 2
        return pairs, pairs - (float(np.square(part.sum(axis=0)).sum()) - len(part)) / 2

    pairs, distance = sums(unit)
    within = np.array([sums(unit[clusters == cluster]) for cluster in np.unique(clusters)])
    same_pairs, same_distance = within.sum(axis=0)
    return float((distance - same_distance) / (pairs - same_pairs) / (same_distance / same_pairs))


def _pool(table: CategorisedTable, videos: int | None, store: FeatureStore, progress: Progress) -> Pool:
    rows = table.videos
    if videos is not None and videos < len(rows):
        drawn: Indices = np.sort(np.random.default_rng(0).permutation(len(rows))[:videos])
        rows = [rows[row] for row in drawn.tolist()]
    config = load_config("offline")
    encoders = replace(load_encoders(config.encoders.of_text()), missing={})
    extraction = extract([row.video for row in rows], encoders, config.media, store, progress)
    return Pool(rows, extraction.embeddings)


def _times(learnt: Learnt, fold: Fold, seconds: float) -> dict[str, Any]:
    """Return how long learning took, and one video after the other from its embeddings to its topics."""
    model, held_out = learnt.model, fold.held_out
    times, processor, tags = [], [], held_out.tags
    for row in range(min(TIMED, len(held_out))):
        started, computing = time.perf_counter(), time.process_time()
        model.assign(model.space.represent([held_out.embeddings[row]], [tags[row]]))
        times.append(time.perf_counter() - started)
        processor.append(time.process_time() - computing)
    return {
        "videos learnt from": len(fold.training),
        "topics": len(model.topics),
        "seconds to learn": round(seconds, 1),
        "median ms to assign": round(1000 * float(np.median(times)), 2),
        "of them computing": round(1000 * float(np.median(processor)), 2),
        "p99 ms to assign": round(1000 * float(np.quantile(times, 0.99)), 2),
    }
