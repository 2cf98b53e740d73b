"""Groups of topics: a coarse level above the topics, made by merging their centres.

Average linkage by cosine, cut at √K groups: every group is a subtree of the merges, and as many topics fit on a page of
groups as groups on a page of all.
"""

import math

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from tagging.types import FloatRows, Indices


def group_centres(centres: FloatRows) -> Indices:
    """Return (K,) the group of each topic, numbered from 0 in the order of their first topic."""
    if len(centres) < 3:
        return np.zeros(len(centres), np.int64)
    merges = linkage(centres.astype(np.float64), method="average", metric="cosine")
    labels = fcluster(merges, t=max(2, round(math.sqrt(len(centres)))), criterion="maxclust")
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[number], np.int64)
