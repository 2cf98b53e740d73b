"""Training tags as a sparse matrix; every baseline yields a sparse matrix of scores over the same tags."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tagging.errors import InvalidManifestError
from tagging.ragged import starts_of
from tagging.text.normalise import normalise
from tagging.types import LabelledVideo

Sparse = Any  # scipy.sparse.csr_matrix; SciPy carries no types


@dataclass(frozen=True, slots=True)
class TrainingTags:
    """The labels of V tagged training videos over N tags, sorted by frequency."""

    names: tuple[str, ...]  # N normalised, most frequent first, ties by name
    labels: Sparse  # (V, N) float32 of ones

    @classmethod
    def of(cls, videos: Sequence[LabelledVideo]) -> "TrainingTags":
        """Build the matrix. Raises InvalidManifestError for a video without a tag."""
        tags = [sorted({normalise(tag) for tag in video.tags} - {""}) for video in videos]
        if not all(tags):
            raise InvalidManifestError("a training video has no tag")
        counts = Counter(name for video_tags in tags for name in video_tags)
        names = tuple(sorted(counts, key=lambda name: (-counts[name], name)))
        row_of = {name: row for row, name in enumerate(names)}
        columns = np.array([row_of[name] for video_tags in tags for name in video_tags], np.int32)
        starts = starts_of([len(video_tags) for video_tags in tags])
        ones = np.ones(len(columns), np.float32)
        return cls(names, sparse.csr_matrix((ones, columns, starts), shape=(len(videos), len(names))))

    def best(self, scores: Sparse, k: int) -> list[list[str]]:
        """Return for each row of the (Q, N) scores at most k tags with a score above 0, best first.

        Ties are broken by frequency. Only stored scores are considered.
        """
        scores = scores.tocsr()
        found = []
        for start, end in zip(scores.indptr[:-1], scores.indptr[1:], strict=True):
            rows, values = scores.indices[start:end], scores.data[start:end]
            rows, values = rows[values > 0], values[values > 0]
            found.append([self.names[row] for row in rows[np.lexsort((rows, -values))[:k]]])
        return found


def vote_matrix(neighbours: NDArray[np.int64], similarity: NDArray[np.float32], videos: int) -> Sparse:
    """Return the (Q, videos) votes for (Q, K) rows of training videos; similarities up to 0 give no vote."""
    votes = np.maximum(similarity, 0.0).astype(np.float32)
    starts = np.arange(len(neighbours) + 1) * neighbours.shape[1]
    matrix = sparse.csr_matrix((votes.ravel(), neighbours.ravel(), starts), shape=(len(neighbours), videos))
    matrix.eliminate_zeros()
    return matrix
