"""Names of topics: the tags that tell a topic from the others, its representative videos and its languages.

Class-based TF-IDF (c-TF-IDF, Grootendorst 2022, "BERTopic", eq. 2) over tags: W(t, c) = tf(t, c) · log(1 + A / f(t)),
tf the frequency of tag t in the videos of topic c, f its frequency in all topics, A the mean number of tags of a topic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tagging.ragged import Ragged, starts_of
from tagging.types import FloatRows, Indices


def tag_frequencies(topics: Indices, count: int, tags: Ragged, tag_count: int) -> sparse.csr_array:
    """Return tf (K, N): the number of videos of each topic with each tag.

    topics: (V,) row of the one topic of each video; -1 for a video that is left out
    count:  K
    tags:   V lists of rows of N tags
    """
    owners = np.repeat(topics, np.diff(tags.starts))
    kept = owners >= 0
    ones = np.ones(int(kept.sum()))
    return sparse.csr_array((ones, (owners[kept], tags.values[kept])), shape=(count, tag_count))


def c_tf_idf(frequencies: sparse.csr_array) -> sparse.csr_array:
    """Return the weights W (K, N), with the same entries as the frequencies."""
    total = np.asarray(frequencies.sum(axis=0)).ravel()
    mean = frequencies.sum() / frequencies.shape[0]
    factors = np.log1p(np.divide(mean, total, out=np.zeros(len(total)), where=total > 0))
    weights = frequencies.data * factors[frequencies.indices]
    return sparse.csr_array((weights, frequencies.indices, frequencies.indptr), shape=frequencies.shape)


def telling_tags(frequencies: sparse.csr_array, most: int) -> list[list[int]]:
    """Return the rows of the `most` tags of the largest weight of each topic; ties go to the more frequent tag.

    Tags of a single video come last: a rare one would have a large weight, and says little about the others.
    """
    weights = c_tf_idf(frequencies)
    found = []
    for topic in range(weights.shape[0]):
        span = slice(weights.indptr[topic], weights.indptr[topic + 1])
        rows, values, videos = weights.indices[span], weights.data[span], frequencies.data[span]
        found.append(rows[np.lexsort((rows, -values, videos < 2))[:most]].tolist())
    return found


@dataclass(frozen=True, slots=True)
class Example:
    """A representative video of a topic."""

    video_id: str
    title: str
    similarity: float  # to the centre


def members_of(topics: Indices, count: int) -> Ragged:
    """Return the videos of each of `count` topics, rising; topics: (V,) of each video, -1 for none."""
    order = np.argsort(topics, kind="stable")
    sizes = np.bincount(topics[topics >= 0], minlength=count)
    return Ragged(starts_of(sizes), order[len(topics) - sizes.sum() :])


def examples_of(
    members: Indices, similarities: FloatRows, ids: Sequence[str], titles: Sequence[str], most: int
) -> tuple[Example, ...]:
    """Return the videos nearest to the centre of a topic, those with different titles.

    members: (n,) rows of the V videos that have the topic as their one; similarities: (V,) to that topic
    """
    chosen: dict[str, Example] = {}
    for row in members[np.argsort(-similarities[members], kind="stable")].tolist():
        title = titles[row] or ids[row]
        chosen.setdefault(title, Example(ids[row], titles[row], round(float(similarities[row]), 4)))
        if len(chosen) == most:
            break
    return tuple(chosen.values())
