"""Rows distributed as embeddings are: in topics of very different sizes, close to few rows and far from most."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


def clustered(rng: np.random.Generator, n: int, dim: int = 32) -> Rows:
    """Return (n, dim) unit rows, about fifty per topic."""
    topics = rng.normal(size=(n // 50 + 1, dim))
    sizes = rng.pareto(1.5, len(topics)) + 0.1
    picked = topics[rng.choice(len(topics), n, p=sizes / sizes.sum())]
    return unit(picked + 0.6 * rng.normal(size=(n, dim)))


def unit(rows: NDArray[np.float64] | Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def nearest_ids(queries: Rows, rows: Rows, k: int) -> NDArray[np.int64]:
    return np.asarray(np.argsort(-queries @ rows.T, axis=1, kind="stable")[:, :k], np.int64)


def recall_at(got: NDArray[np.int64], want: NDArray[np.int64]) -> float:
    """Return recall@k: the mean share of the true neighbours that were found."""
    return float(np.mean([len(set(g) & set(w)) / len(w) for g, w in zip(got.tolist(), want.tolist(), strict=True)]))
