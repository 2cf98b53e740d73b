"""Topics as clusters: spherical K-means (FAISS) over the topic representations of a pool of videos.

Videos that lack a half take part as in k-POD (Chi et al. 2016): K-means runs on the complete ones, then each missing
half is filled with that of the nearest centre, and K-means continues on all videos from these centres. Of a large
pool, a random part is clustered, and one more iteration takes the means of all videos: those of few are inexact.
"""

import math

import faiss
import numpy as np
from scipy import sparse

from tagging.errors import InvalidManifestError
from tagging.topics.representation import TopicRows, similarities, unit_rows
from tagging.types import FloatRows, Indices

ITERATIONS = 20
FILLINGS, FILLING_ITERATIONS = 3, 5  # of missing halves, and of K-means after each, which starts from good centres
LEAST_VIDEOS = 10  # of a topic, on average
SAMPLED, LEAST_SAMPLED = 64, 50_000  # videos that K-means iterates over: of a topic, on average, and in all
VIDEOS_AT_ONCE = 8192
RESTARTS = 10  # at most; the best is kept
COMPARISONS = 10_000_000  # videos times centres that one pass over all restarts may compare


def topic_count(videos: int) -> int:
    """Return the number of topics K = √(12 V), at most a tenth of the videos.

    For the paper's 3 million videos that gives its K of 6,000. The root keeps topics of a large pool broad enough to
    be watched: 8,000 videos make 310 topics of 26, 168,000 make 1,420 of 118.
    """
    return max(1, min(round(math.sqrt(12 * videos)), videos // LEAST_VIDEOS))


def fit_centres(
    rows: TopicRows, count: int, generator: np.random.Generator, first: FloatRows | None = None
) -> FloatRows:
    """Return the centres (K, Z + E) at unit length of the videos with at least one half.

    first: (n, Z + E) centres to start from, those of an earlier model; the others start at videos. Of more than K,
        the first K are used.
    Raises InvalidManifestError for fewer videos than centres.
    """
    known = np.flatnonzero(rows.known)
    if len(known) < count:
        raise InvalidManifestError(
            f"{len(known)} videos cannot make {count} topics", "give more videos, or lower `count` in --config"
        )
    most = max(SAMPLED * count, LEAST_SAMPLED)
    if len(known) <= most:
        return _fit_centres(rows.only(known), count, generator, first)
    drawn = np.sort(generator.choice(known, most, replace=False))
    return _means(rows, _fit_centres(rows.only(drawn), count, generator, first))


def _fit_centres(rows: TopicRows, count: int, generator: np.random.Generator, first: FloatRows | None) -> FloatRows:
    """Return the centres of videos with at least one half, at least as many as centres."""
    whole = rows.complete
    if whole.sum() < count:  # too few to begin with
        whole = np.ones(len(rows), np.bool_)
    centres = _k_means(unit_rows(rows.values[whole]), count, ITERATIONS, generator, first)
    if whole.all():
        return centres
    for _ in range(FILLINGS):
        nearest, _ = nearest_centres(rows, centres)
        centres = _k_means(_filled(rows, centres, nearest), count, FILLING_ITERATIONS, generator, centres)
    return centres


def nearest_centres(rows: TopicRows, centres: FloatRows) -> tuple[Indices, FloatRows]:
    """Return (V,) the row of the most similar centre, and (V,) its similarity."""
    nearest, best = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.float32)
    for start in range(0, len(rows), VIDEOS_AT_ONCE):
        part = slice(start, start + VIDEOS_AT_ONCE)
        found = similarities(rows.only(np.arange(len(rows))[part]), centres)
        nearest[part], best[part] = found.argmax(axis=1), found.max(axis=1)
    return nearest, best


def _filled(rows: TopicRows, centres: FloatRows, nearest: Indices) -> FloatRows:
    """Return the representations with each missing half replaced by that of the nearest centre, at unit length.

    nearest: (V,) row of the nearest centre of each video
    """
    values = rows.values.copy()
    for half, columns in enumerate((slice(0, rows.split), slice(rows.split, None))):
        missing = np.flatnonzero(~rows.present[:, half])
        values[missing, columns] = unit_rows(centres[nearest[missing], columns])
    return unit_rows(values)


def _means(rows: TopicRows, centres: FloatRows) -> FloatRows:
    """Return the mean direction of the videos that are nearest to each centre; a centre without any stays."""
    sums = np.zeros(centres.shape, np.float64)
    for start in range(0, len(rows), VIDEOS_AT_ONCE):
        part = rows.only(np.arange(start, min(start + VIDEOS_AT_ONCE, len(rows))))
        part = part.only(np.flatnonzero(part.known))
        nearest, _ = nearest_centres(part, centres)
        owners = sparse.csr_array((np.ones(len(part)), nearest, np.arange(len(part) + 1)), (len(part), len(centres)))
        sums += owners.T @ _filled(part, centres, nearest)
    means = unit_rows(sums.astype(np.float32))
    return np.where(means.any(axis=1, keepdims=True), means, centres)


def _k_means(
    rows: FloatRows, count: int, iterations: int, generator: np.random.Generator, first: FloatRows | None
) -> FloatRows:
    """Return (count, D) centres of unit rows.

    A bad start merges two clusters for good, which matters most for few centres, where starting again is cheap.
    """
    start = _start(rows, count, generator, first)
    restarts = 1 if start is not None else max(1, min(RESTARTS, COMPARISONS // (len(rows) * count)))
    k_means = faiss.Kmeans(
        rows.shape[1],
        count,
        niter=iterations,
        nredo=restarts,
        spherical=True,
        seed=int(generator.integers(2**31 - 1)),
        min_points_per_centroid=1,  # FAISS would print a warning below 39
        max_points_per_centroid=len(rows),  # FAISS draws none: they were drawn before
    )
    k_means.train(rows, init_centroids=start)
    return np.asarray(k_means.centroids, np.float32)


def _start(rows: FloatRows, count: int, generator: np.random.Generator, first: FloatRows | None) -> FloatRows | None:
    """Return K centres to start from; None: FAISS draws them."""
    if first is None or not len(first):
        return None
    drawn = generator.choice(len(rows), count, replace=False)
    return np.ascontiguousarray(np.concatenate([first, rows[drawn]])[:count], np.float32)
