"""Topic representation a of a video: [z ‖ e], its content and its tags, each half at unit length.

"L2 normalisation is used to ensure that e and z contribute the same amount" (section III-A3). A half that a video lacks
is masked: similarities compare the other half alone, so that a video without tags is not far from every topic.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.types import FloatRows, Indices

HALVES = ("content", "tags")
VIDEOS_AT_ONCE = 8192  # copies of all rows of a large pool would fill the memory
SHORTEST = 1e-6  # a row of which rounding errors are left when the mean is subtracted has no direction


@dataclass(frozen=True, slots=True, eq=False)
class TopicRows:
    """The representations of V videos."""

    values: FloatRows  # (V, Z + E) unit halves, zeros where missing
    present: NDArray[np.bool_]  # (V, 2) content, tags
    split: int  # Z, the width of the content half

    def __post_init__(self) -> None:
        if self.present.shape != (len(self.values), 2) or not 0 <= self.split <= self.values.shape[1]:
            raise ValueError(f"values {self.values.shape}, split at {self.split}, mask {self.present.shape}")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """(V,) True for a video with both halves."""
        return np.asarray(self.present.all(axis=1))

    @property
    def known(self) -> NDArray[np.bool_]:
        """(V,) True for a video with at least one half."""
        return np.asarray(self.present.any(axis=1))

    def only(self, rows: Indices) -> "TopicRows":
        return TopicRows(self.values[rows], self.present[rows], self.split)

    def without(self, half: int) -> "TopicRows":
        """Return the representations as if no video had one of the halves, 0 content, 1 tags."""
        values, present = self.values.copy(), self.present.copy()
        values[:, : self.split] *= half != 0
        values[:, self.split :] *= half != 1
        present[:, half] = False
        return TopicRows(values, present, self.split)


def join(content: FloatRows, tags: FloatRows, means: FloatRows) -> TopicRows:
    """Return a of V videos from z (V, Z) and e (V, E), whose zero rows are missing.

    means: (Z + E,) of the pool, which are subtracted: what all videos share tells no topic from another, and where it
        is long, as in the outputs of experts, all cosines are near 1
    """
    split = content.shape[1]
    values = np.empty((len(content), len(means)), np.float32)
    halves = values[:, :split], values[:, split:]
    _centre(content, means[:split], halves[0])
    _centre(tags, means[split:], halves[1])
    return TopicRows(values, np.stack([half.any(axis=1) for half in halves], axis=1), split)


def pool_means(content: FloatRows, tags: FloatRows) -> FloatRows:
    """Return the mean z and e (Z + E,) of the videos that have them."""
    means = [rows[rows.any(axis=1)].mean(axis=0) if rows.any() else np.zeros(rows.shape[1]) for rows in (content, tags)]
    return np.concatenate(means).astype(np.float32)


def centred_unit_rows(rows: FloatRows) -> FloatRows:
    """Return rows (n, D) less the mean of those that are not zero, at unit length; a zero row remains zero."""
    mean = rows.sum(axis=0, dtype=np.float64) / max(int(rows.any(axis=1).sum()), 1)
    centred = np.empty_like(rows)
    _centre(rows, mean.astype(np.float32), centred)
    return centred


def _centre(rows: FloatRows, mean: FloatRows, out: FloatRows) -> None:
    """Write rows (n, D) less a mean (D,) at unit length to `out`; a zero row, which is missing, remains zero."""
    for start in range(0, len(rows), VIDEOS_AT_ONCE):
        part = rows[start : start + VIDEOS_AT_ONCE]
        out[start : start + VIDEOS_AT_ONCE] = unit_rows(np.where(part.any(axis=1, keepdims=True), part - mean, 0))


def unit_rows(rows: FloatRows) -> FloatRows:
    """Return rows (n, D) at unit length; a zero row remains zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > SHORTEST), np.float32)


def similarities(rows: TopicRows, centres: FloatRows) -> FloatRows:
    """Return the cosine (V, K) of videos and centres (K, Z + E) over the halves that each video has; 0 without any."""
    squares = np.stack(
        [np.square(centres[:, : rows.split]).sum(axis=1), np.square(centres[:, rows.split :]).sum(axis=1)]
    )  # (2, K)
    of_videos = np.sqrt(rows.present.sum(axis=1, keepdims=True))  # present halves have unit length
    of_centres = np.sqrt(rows.present.astype(np.float32) @ squares)
    lengths = of_videos * of_centres
    products = rows.values @ centres.T
    return np.asarray(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 1e-9), np.float32)
