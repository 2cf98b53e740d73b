"""Search by n-grams: the nearest videos of a sum over every posting, in its order among equal cosines."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import sparse

from recall.neighbours.text_search import TextSearch
from recall.ngrams import NgramRow
from recall.topk import top_k
from tagging.types import FloatRows, Indices, Neighbours

WIDTH = 300
COMMON = 8  # n-grams that most texts have
NONE: list[int] = []


def texts(rng: np.random.Generator, count: int, copies: float = 0.5) -> sparse.csr_matrix:
    """Return unit rows (count, WIDTH) of a few common and a few rare n-grams; `copies`: share of repeated texts."""
    dense = np.zeros((count, WIDTH), np.float32)
    for row in dense:
        row[np.flatnonzero(rng.random(COMMON) < 0.6)] = rng.uniform(0.05, 0.4)
        row[rng.integers(COMMON, WIDTH, rng.integers(0, 7))] = rng.uniform(0.5, 2.0)
    copied = np.flatnonzero(rng.random(count) < copies)
    dense[copied] = dense[rng.integers(0, max(count, 1), len(copied))]
    dense /= np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-12)
    return sparse.csr_matrix(dense)


def plain_search(rows: sparse.csr_matrix, removed: Sequence[int], text: NgramRow, k: int) -> tuple[Indices, FloatRows]:
    """Return what a sum over the postings of every n-gram of the text finds."""
    cosines = np.zeros(rows.shape[0], np.float32)
    columns = rows.tocsc()
    for column, weight in zip(text.columns, text.weights, strict=True):
        part = slice(columns.indptr[column], columns.indptr[column + 1])
        cosines[columns.indices[part]] += columns.data[part] * weight
    cosines[list(removed)] = 0
    found = np.flatnonzero(cosines > 0)
    order = found[top_k(cosines[found], found, k)]
    return order, cosines[order]


def assert_equal(found: Neighbours, expected: tuple[Indices, FloatRows]) -> None:
    np.testing.assert_array_equal(found.video_rows, expected[0])
    np.testing.assert_array_equal(found.similarities, expected[1])


@pytest.mark.parametrize("k", [1, 5, 60, 5000])
@pytest.mark.parametrize("copies", [0.0, 0.5, 0.99])
def test_the_nearest_are_those_of_the_plain_sum(k: int, copies: float) -> None:
    rng = np.random.default_rng(3)
    rows = texts(rng, 2000, copies)
    search = TextSearch(rows)
    queries = sparse.vstack([texts(rng, 40), rows[:20]], format="csr")
    for index in range(queries.shape[0]):
        text = NgramRow.at(queries, index)
        assert_equal(search.nearest(text, k), plain_search(rows, NONE, text, k))


@pytest.mark.parametrize("columns", [[0], [COMMON], [0, 1, 2], [COMMON, COMMON + 1], [0, COMMON], NONE])
@pytest.mark.parametrize("count", [0, 1, 3, 2000])
def test_texts_of_frequent_or_of_rare_ngrams_alone_and_of_none(columns: list[int], count: int) -> None:
    rows = texts(np.random.default_rng(4), count)
    weights = np.full(len(columns), 1 / np.sqrt(max(len(columns), 1)), np.float32)
    text = NgramRow(np.array(columns, np.int32), weights)
    for k in (1, 50):
        assert_equal(TextSearch(rows).nearest(text, k), plain_search(rows, NONE, text, k))


def test_a_video_that_shares_only_frequent_ngrams_is_found_if_it_is_near() -> None:
    """The partial sums of the rare n-grams know nothing of the nearest video, and one more is excluded by its norm."""
    rows = sparse.lil_matrix((2000, WIDTH), dtype=np.float32)
    rows[:, 0] = 0.1
    rows[:, COMMON + 1] = np.sqrt(1 - 0.1**2)  # as other texts, which the query does not share
    rows[7] = 0
    rows[7, 0] = 1.0
    rows[[8, 9], COMMON] = np.sqrt(1 - 0.1**2)
    rows[[8, 9], COMMON + 1] = 0
    rows = rows.tocsr()
    text = NgramRow(np.array([0, COMMON], np.int32), np.array([0.9, np.sqrt(1 - 0.9**2)], np.float32))
    found = TextSearch(rows).nearest(text, 3)
    assert found.video_rows.tolist() == [7, 8, 9]
    assert_equal(found, plain_search(rows, NONE, text, 3))


def test_removed_and_added_videos() -> None:
    rng = np.random.default_rng(5)
    rows = texts(rng, 1600)
    search = TextSearch(rows[:1500])
    for index in range(1500, 1600):
        search.add(NgramRow.at(rows, index) if index % 3 else None)
    dense = rows.toarray()
    dense[1500::3] = 0  # added without a text
    rows = sparse.csr_matrix(dense)
    removed = [*rng.choice(1500, 700, replace=False).tolist(), 1501, 1503, 1577]
    for row in removed:
        search.remove(row)
    folded = TextSearch(search.rows(np.setdiff1d(np.arange(1600), removed)))
    kept = rows[np.setdiff1d(np.arange(1600), removed)]
    for index in range(0, 1600, 40):
        text = NgramRow.at(rows, index)
        assert_equal(search.nearest(text, 30), plain_search(rows, removed, text, 30))
        assert_equal(folded.nearest(text, 30), plain_search(kept, NONE, text, 30))
    assert len(search) == 1600


def test_cosines_that_differ_by_rounding_alone_are_ordered_like_those_of_the_plain_sum() -> None:
    rng = np.random.default_rng(6)
    weights = rng.uniform(0.1, 1.0, COMMON + 10)
    weights /= np.linalg.norm(weights)
    dense = np.zeros((2000, WIDTH), np.float32)
    for row in dense:  # the same weights of other n-grams
        row[:COMMON] = rng.permutation(weights[:COMMON])
        row[rng.choice(np.arange(COMMON, WIDTH), 10, replace=False)] = rng.permutation(weights[COMMON:])
    rows = sparse.csr_matrix(dense)
    text = NgramRow(np.arange(WIDTH, dtype=np.int32), np.full(WIDTH, 1 / np.sqrt(WIDTH), np.float32))
    for k in (10, 100, 1000):
        assert_equal(TextSearch(rows).nearest(text, k), plain_search(rows, NONE, text, k))
