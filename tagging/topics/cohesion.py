"""Cohesion of tags: whether the videos of a tag resemble each other beyond videos drawn at random.

An appeal to the platform ("let me be popular") joins videos that have nothing in common. "Quantifying Tag
Representativeness of Visual Content of Social Images" (Sun and Bhowmick 2010) tells such tags by how similar their
pictures are next to the collection. Here the cohesion of a tag is the mean cosine of two of its videos, less that of
two videos of the pool, in several views: the encoders' rows, and the other tags of the videos, as titles may not say
what tags do. Each view counts as a share of the mean of all tags, since cosines depend on the encoder.

A significance test would keep appeals, as any difference becomes significant with hundreds of videos. The rule is
therefore one of equivalence: a tag is left out if its cohesion is certainly, at 95 %, below a share of the usual one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tagging.ragged import Ragged
from tagging.topics.content import ContentRows
from tagging.topics.representation import centred_unit_rows
from tagging.types import FloatRows, Indices

LEAST_VIDEOS = 5  # of a tag that is judged; others join few videos, and their means have no normal distribution
DRAWN = 200_000  # pairs of videos of the pool
ONE_SIDED = 1.645  # standard errors of a bound at 95 %
ENTRIES_AT_ONCE = 4_000_000

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cohesion:
    """The cohesion of n tags in one view, as a share of their mean; NaN for a tag with fewer than two such videos."""

    shares: Numbers  # (n,)
    errors: Numbers  # (n,) standard error, if the videos of the tag were drawn at random


def cohesive_tags(
    tags: Ragged, counts: Indices, content: ContentRows, least: float, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Return (N,) False for a tag that says nothing about its videos.

    tags:   V lists of rows of N tags; counts: (N,) their videos
    least:  share of the usual cohesion that a tag must be able to have; 0 keeps every tag
    """
    judged = np.flatnonzero(counts >= LEAST_VIDEOS)
    cohesive = np.ones(len(counts), np.bool_)
    if not len(judged) or not least:
        return cohesive
    owners = np.repeat(np.arange(len(tags)), np.diff(tags.starts))
    ones = np.ones(len(owners), np.float32)
    carries = sparse.csr_array((ones, (tags.values, owners)), shape=(len(counts), len(tags)))
    views = [_of_content(carries[judged], rows, generator) for rows in content.values.values()]
    views.append(_of_other_tags(carries, judged, generator))
    shares, errors = np.stack([view.shares for view in views]), np.stack([view.errors for view in views])
    known = ~np.isnan(shares)
    count = np.maximum(known.sum(axis=0), 1)
    highest = np.nansum(shares, axis=0) + ONE_SIDED * np.sqrt(np.nansum(np.square(errors), axis=0))
    cohesive[judged] = ~known.any(axis=0) | (highest / count >= least)
    return cohesive


def _of_content(carries: sparse.csr_array, rows: FloatRows, generator: np.random.Generator) -> Cohesion:
    """Return the cohesion of n tags by rows of one encoder.

    carries: (n, V) 1 where a video has the tag; rows: (V, D), zeros where missing
    """
    centred = centred_unit_rows(rows)  # all cosines of encoder rows are near 1
    known = centred.any(axis=1)
    squares = np.concatenate(
        [np.square(carries[part] @ centred, dtype=np.float64).sum(axis=1) for part in _parts(carries, centred.shape[1])]
    )
    first, second = _pairs(np.flatnonzero(known), generator)
    cosines = np.einsum("ij,ij->i", centred[first], centred[second])
    return _relative(squares, carries @ known.astype(np.float64), cosines)


def _of_other_tags(carries: sparse.csr_array, judged: Indices, generator: np.random.Generator) -> Cohesion:
    """Return the cohesion of the judged tags by the TF-IDF rows of their videos without the tag itself.

    carries: (N, V) 1 where a video has the tag
    """
    frequencies = np.asarray(carries.sum(axis=1)).ravel()
    weights = np.log(carries.shape[1] / np.maximum(frequencies, 1))
    rows = sparse.csr_array((sparse.diags_array(weights) @ carries).T)  # (V, N)
    lengths = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
    own = carries[judged].tocoo()
    remaining = lengths[own.col] - np.square(weights[judged])[own.row]
    others = remaining > 1e-9 * np.maximum(lengths[own.col], 1)
    scale = np.divide(others, np.sqrt(np.where(others, remaining, 1)))
    mixing = sparse.csr_array((scale, (own.row, own.col)), shape=own.shape)
    squares = np.zeros(len(judged))
    for part in _parts(mixing, rows.nnz / max(rows.shape[0], 1)):
        sums = sparse.csr_array(mixing[part] @ rows)
        is_own = np.repeat(judged[part], np.diff(sums.indptr)) == sums.indices
        sums.data[is_own] = 0
        squares[part] = np.asarray(sums.multiply(sums).sum(axis=1)).ravel()
    known = np.flatnonzero(lengths > 0)
    unit = sparse.csr_array(sparse.diags_array(1 / np.sqrt(lengths[known])) @ rows[known])
    first, second = _pairs(np.arange(len(known)), generator)
    cosines = np.asarray(unit[first].multiply(unit[second]).sum(axis=1)).ravel()
    counts = np.asarray(np.bincount(own.row[others], minlength=len(judged)), np.float64)
    return _relative(squares, counts, cosines)


def _relative(squares: Numbers, counts: Numbers, drawn: NDArray[np.floating]) -> Cohesion:
    """Return cohesion from the squared length (n,) of the sum of each tag's unit rows, and how many (n,) there are.

    drawn: cosines of pairs of videos of the pool
    The cosines of all pairs sum to (squares - counts) / 2, so that no pair has to be looked at.
    """
    pairs = counts * (counts - 1)
    several = pairs > 0
    found = np.divide(squares - counts, pairs, out=np.full(len(counts), np.nan), where=several)
    found -= drawn.mean() if len(drawn) else 0.0
    usual = float(found[several].mean()) if several.any() else 0.0
    if usual <= 0:  # a view in which tags say nothing says nothing about tags
        return Cohesion(np.full(len(counts), np.nan), np.full(len(counts), np.nan))
    errors = drawn.std() * np.sqrt(np.divide(2, pairs, out=np.full(len(counts), np.nan), where=several))
    return Cohesion(found / usual, errors / usual)


def _pairs(rows: Indices, generator: np.random.Generator) -> tuple[Indices, Indices]:
    """Draw pairs of different rows; of less than two rows, none."""
    if len(rows) < 2:
        return rows[:0], rows[:0]
    first = generator.integers(0, len(rows), DRAWN)
    second = generator.integers(0, len(rows), DRAWN)
    different = first != second
    return rows[first[different]], rows[second[different]]


def _parts(rows: sparse.csr_array, width: float) -> Iterator[Indices]:
    """Yield consecutive rows whose product with rows of `width` entries has ENTRIES_AT_ONCE entries at most."""
    entries = np.cumsum((np.diff(rows.indptr) + 1) * max(width, 1.0))
    number = (entries // ENTRIES_AT_ONCE).astype(np.int64)
    yield from np.split(np.arange(rows.shape[0]), np.flatnonzero(np.diff(number)) + 1)
