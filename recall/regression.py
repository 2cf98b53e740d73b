"""Kernel ridge regression: the tags of a video from its similarity to landmarks, which are drawn labelled videos.

    k(x, y)  mean over the views of exp((c - 1) / WIDTH), c the cosine in the view's space, and of the n-grams' cosine;
             a view that x or y lacks adds nothing
    W        argmin Σ_i w_i |k_i W - y_i|² + λ tr(Wᵀ K W)

over the labelled videos i: y_i (L,) has ones for the tags, k_i (M,) is the kernel with the landmarks, K (M, M) that
among them (subset of regressors; Rasmussen and Williams 2006, section 8.3.1), and w_i falls with the videos of the
uploader, as for the recall model. λ is the one that finds most tags of held-out uploaders.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg, sparse

from recall.evaluate import recall_at_k
from recall.model import Views
from recall.neighbours.space import NeighbourSpace
from recall.topk import top_k
from tagging.config.recall import RegressionConfig
from tagging.files.tensors import read_tensors, write_tensors
from tagging.ragged import Ragged
from tagging.splits import parts
from tagging.types import FloatRows, Indices

logger = logging.getLogger(__name__)

FILE = "regression.safetensors"
WIDTH = 0.5  # of the kernel of dense views
LEFT_OUT = 5  # one in as many videos chooses λ
JUDGED = 10  # tags of each of them
CSR = ("data", "indices", "indptr")  # arrays of a compressed sparse matrix
ROUNDING = 1e-5  # added to the diagonal, relative to its mean: landmarks may be equal


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """M labelled videos that others are compared with."""

    spaces: Mapping[str, NeighbourSpace]  # of each dense view
    dense: Mapping[str, FloatRows]  # (M, dim) unit rows of the spaces, zeros where missing
    postings: sparse.csr_matrix  # (F, M) their n-grams, unit columns

    @classmethod
    def of(cls, videos: Views, rows: Indices) -> "Landmarks":
        """Return some of the videos as landmarks, in the spaces of all."""
        spaces = {view: NeighbourSpace.around(values[values.any(axis=1)]) for view, values in videos.dense.items()}
        chosen = videos.rows(rows)
        dense = {view: _moved(chosen.dense[view], space) for view, space in spaces.items()}
        return cls(spaces, dense, chosen.ngrams.T.tocsr())

    def kernel(self, videos: Views) -> FloatRows:
        """Return k (n, M) of n videos with the landmarks."""
        total = np.asarray((videos.ngrams @ self.postings).todense(), np.float32)
        for view, landmarks in self.dense.items():
            rows = _moved(videos.dense[view], self.spaces[view])
            both = np.outer(rows.any(axis=1), landmarks.any(axis=1))
            total += both * np.exp((rows @ landmarks.T - 1) / WIDTH)
        return np.asarray(total / (1 + len(self.dense)), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class KernelRidge:
    """The fitted regression."""

    landmarks: Landmarks
    weights: FloatRows  # W (M, L)
    labels: Indices  # (L,) catalog rows, rising

    @property
    def ngrams(self) -> int:
        """The number F of n-grams."""
        return int(self.landmarks.postings.shape[0])

    @property
    def views(self) -> Mapping[str, int]:
        """The width of each dense view."""
        return {view: space.dim for view, space in self.landmarks.spaces.items()}

    def scores(self, videos: Views) -> FloatRows:
        """Return estimates (n, L) of how probable each label is for n videos; some are below 0 or above 1."""
        return self.landmarks.kernel(videos) @ self.weights

    def save(self, folder: Path) -> None:
        postings = self.landmarks.postings
        arrays = {"weights": self.weights.astype(np.float16), "labels": self.labels}
        arrays |= {f"postings.{part}": getattr(postings, part) for part in CSR}
        for view, rows in self.landmarks.dense.items():
            arrays |= {f"dense.{view}": rows.astype(np.float16), f"centre.{view}": self.landmarks.spaces[view].centre}
        write_tensors(folder / FILE, {name: torch.from_numpy(values) for name, values in arrays.items()})

    @classmethod
    def load(cls, folder: Path) -> "KernelRidge":
        """Load what `save` wrote. Raises OSError, and ValueError or KeyError for another file."""
        arrays = {name: tensor.numpy() for name, tensor in read_tensors(folder / FILE)[0].items()}
        weights, labels = arrays["weights"].astype(np.float32), arrays["labels"]
        shape = (len(arrays["postings.indptr"]) - 1, len(weights))
        postings = sparse.csr_matrix(tuple(arrays[f"postings.{part}"] for part in CSR), shape)
        views = [name.removeprefix("dense.") for name in arrays if name.startswith("dense.")]
        dense = {view: arrays[f"dense.{view}"].astype(np.float32) for view in views}
        spaces = {view: NeighbourSpace(arrays[f"centre.{view}"]) for view in views}
        if weights.shape != (len(weights), len(labels)) or any(
            rows.shape != (len(weights), spaces[view].dim) for view, rows in dense.items()
        ):
            raise ValueError(f"{FILE}: weights {weights.shape} of {len(labels)} labels")
        return cls(Landmarks(spaces, dense, postings), weights, labels)


def fit_kernel_ridge(
    videos: Views,
    tags: Ragged,
    uploaders: Indices,
    labels: Indices,
    config: RegressionConfig,
    generator: np.random.Generator,
) -> KernelRidge:
    """Fit the regression of the labels on n labelled videos.

    tags:      catalog rows of each video, n
    uploaders: (n,) equal numbers for videos of one uploader
    labels:    (L,) catalog rows to predict, rising
    """
    problem = _Problem.of(videos, tags, uploaders, labels, config.landmarks, generator)
    left_out = parts(uploaders, LEFT_OUT, generator) == 0
    fitted, judged = problem.rows(np.flatnonzero(~left_out)), problem.rows(np.flatnonzero(left_out))
    found = [judged.recall(weights) for weights in fitted.solutions(config.penalties)]
    best = int(np.argmax(found))
    logger.info("regression: recall@%d of %.3f with a penalty of %g", JUDGED, found[best], config.penalties[best])
    [weights] = problem.solutions([config.penalties[best]])
    return KernelRidge(problem.landmarks, weights, labels)


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Weighted least squares over n videos."""

    landmarks: Landmarks
    among: NDArray[np.float64]  # K (M, M)
    kernel: FloatRows  # (n, M)
    tags: sparse.csr_matrix  # y (n, L)
    weights: FloatRows  # w (n,)

    @classmethod
    def of(
        cls,
        videos: Views,
        lists: Ragged,
        uploaders: Indices,
        labels: Indices,
        most: int,
        generator: np.random.Generator,
    ) -> "_Problem":
        """most: landmarks; if there are more videos, they are drawn by weight"""
        _, number = np.unique(uploaders, return_inverse=True)
        weights = 1 / np.sqrt(np.bincount(number)[number])
        rows = np.arange(len(videos))
        if len(rows) > most:
            rows = np.sort(generator.choice(rows, most, replace=False, p=weights / weights.sum()))
        landmarks = Landmarks.of(videos, rows)
        kernel = landmarks.kernel(videos)
        ones = np.ones(len(lists.values), np.float32)
        width = max(lists.values.max(), labels.max()) + 1
        tags = sparse.csr_matrix((ones, lists.values, lists.starts), (len(videos), width))[:, labels]
        weights = (weights / weights.mean()).astype(np.float32)
        return cls(landmarks, kernel[rows].astype(np.float64), kernel, tags, weights)

    def rows(self, rows: Indices) -> "_Problem":
        """Return the problem of some of the videos, with the same landmarks."""
        return _Problem(self.landmarks, self.among, self.kernel[rows], self.tags[rows], self.weights[rows])

    def solutions(self, penalties: Sequence[float]) -> list[FloatRows]:
        """Return W (M, L) for each λ."""
        kernel = self.kernel.astype(np.float64)
        weighted = kernel * self.weights[:, None]
        gram, right = weighted.T @ kernel, (self.tags.T @ weighted).T
        return [_solved(gram + penalty * self.among, right) for penalty in penalties]

    def recall(self, weights: FloatRows) -> float:
        """Return the mean share of the videos' labels that are among the best JUDGED of W (M, L)."""
        every = np.arange(weights.shape[1])
        scores, tags = self.kernel @ weights, [self.tags[row].indices for row in range(len(self.kernel))]
        found = [
            recall_at_k(top_k(of_video, every, JUDGED), true, JUDGED)
            for of_video, true in zip(scores, tags, strict=True)
            if len(true)
        ]
        return float(np.mean(found)) if found else 0.0


def _solved(left: NDArray[np.float64], right: NDArray[np.float64]) -> FloatRows:
    left[np.diag_indices(len(left))] += ROUNDING * np.trace(left) / len(left)
    return np.asarray(linalg.cho_solve(linalg.cho_factor(left), right), np.float32)


def _moved(rows: FloatRows, space: NeighbourSpace) -> FloatRows:
    """Return unit rows (n, dim) of the space; zeros stay zeros, as they stand for missing views."""
    present = rows.any(axis=1)
    moved = np.zeros_like(rows)
    moved[present] = space.rows(rows[present])
    return moved
