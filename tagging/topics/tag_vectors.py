"""Tag representation of a video: the mean of its tags' vectors in the tag graph.

Eq. 3 and 4 of "Multimodal Topic Learning for Video Recommendation": tags are joined by the number of videos with both,
random walks and skip-gram give each tag a vector, and a video has e = (1/v) Σ_j e_j. Where tags are predicted, each
counts with its confidence c_j: e = Σ_j c_j e_j / Σ_j c_j, which is eq. 4 for tags that people gave.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tagging.config.recall import DeepWalkConfig
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.tags.graph import build_graph
from tagging.tags.graph_embedding import embed_tags
from tagging.types import FloatRows, Indices

VIDEOS_AT_ONCE = 65_536


def fit_tag_vectors(
    tags: Ragged,
    tag_count: int,
    uploaders: Indices,
    config: DeepWalkConfig,
    generator: np.random.Generator,
    progress: Progress,
) -> FloatRows:
    """Return unit rows (N, E) of the tags of V videos; zeros for a tag that is on no video with another."""
    return embed_tags(build_graph(tags, tag_count, uploaders), config, generator, progress)


def mean_tag_vectors(vectors: FloatRows, tags: Ragged, confidences: NDArray[np.floating] | None = None) -> FloatRows:
    """Return e (V, E); zeros for a video none of whose tags has a vector.

    vectors:     (N, E), zeros for a tag without a vector, which counts as if the video did not have it
    tags:        V lists of tag rows
    confidences: (pairs,) in [0, 1] of the tags, in their order; None: tags that people gave
    """
    weights = np.ones(len(tags.values)) if confidences is None else np.asarray(confidences, np.float64)
    if weights.shape != tags.values.shape:
        raise ValueError(f"{len(tags.values)} tags, confidences {weights.shape}")
    # Among the tags that occur: a single video must not wait for a look at every tag of a large catalog.
    used, columns = np.unique(tags.values, return_inverse=True)
    vectors = vectors[used]
    weights = weights * np.asarray(vectors.any(axis=1))[columns]
    mixing = sparse.csr_array((weights, columns, tags.starts), shape=(len(tags), len(used)))
    totals = np.asarray(mixing.sum(axis=1)).reshape(-1, 1)
    means = np.zeros((len(tags), vectors.shape[1]), np.float32)
    for start in range(0, len(tags), VIDEOS_AT_ONCE):  # sums are in float64
        part = slice(start, start + VIDEOS_AT_ONCE)
        np.divide(mixing[part] @ vectors, totals[part], out=means[part], where=totals[part] > 0, casting="same_kind")
    return means
