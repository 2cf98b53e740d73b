"""Order of a review: active learning by uncertainty × use.

The priority of a video is the sum, over the tags that were proposed for it, of doubt × use:

    doubt(p) = min(p / t, (1 - p) / (1 - t))   margin of the confidence p to the threshold t: 1 at it, 0 at 0 and at 1
    use      = log(1 + expected uses)          the sum of the tag's confidences over the videos that wait for review

It is information density (Settles and Craven, EMNLP 2008, eq. 13; Settles, Active Learning Literature Survey, 2009,
3.6) with margin sampling as the uncertainty, and with the use of tags in the place of the similarity of instances: a
doubt that many videos share is worth more than that of an outlier, which pure uncertainty sampling prefers.
tagging/inspection/README.md has the measurement.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def review_priorities(
    confidences: NDArray[np.float32], tag_rows: NDArray[np.int32], tags: int, threshold: float
) -> FloatArray:
    """Return the priority of each of V waiting videos, (V,); the largest is reviewed first.

    confidences: (V, K) in [0, 1]; 0 where a video has fewer than K tags
    tag_rows: (V, K) in [0, tags); -1 for padding and for tags that the catalog does not have, whose use is their own
        confidence
    threshold: least confidence of an answered tag
    """
    uses = np.append(expected_uses(confidences, tag_rows, tags), 0.0)  # the last is that of row -1
    of_tag = np.where(tag_rows >= 0, uses[tag_rows], confidences)
    return np.asarray((doubt(confidences, threshold) * np.log1p(of_tag)).sum(axis=1))


def doubt(confidences: NDArray[np.float32], threshold: float) -> FloatArray:
    """Return how near confidences are to the threshold: 1 at it, falling to 0 at 0 and at 1.

    A threshold of 0 or less leaves the distance to 1, one of 1 or more the distance to 0.
    """
    found = confidences.astype(np.float64)
    if threshold <= 0.0:
        return np.asarray(1.0 - found)
    if threshold >= 1.0:
        return np.asarray(found / threshold)
    return np.asarray(np.minimum(found / threshold, (1.0 - found) / (1.0 - threshold)))


def expected_uses(confidences: NDArray[np.float32], tag_rows: NDArray[np.int32], tags: int) -> FloatArray:
    """Return the expected number of videos with each tag: the (tags,) sums of its confidences."""
    known = tag_rows >= 0
    return np.bincount(tag_rows[known], confidences[known], tags).astype(np.float64)
