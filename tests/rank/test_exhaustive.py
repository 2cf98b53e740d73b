"""The nearest of a whole catalog, against a sort."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rank import exhaustive
from rank.exhaustive import ExhaustiveRanker

TAGS, WIDTH = 300, 16


def unit(count: int, seed: int) -> NDArray[np.float32]:
    """Rows that half precision keeps as they are."""
    rows = np.random.default_rng(seed).standard_normal((count, WIDTH))
    return np.asarray((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16), np.float32)


@pytest.mark.parametrize("k", [1, 7, TAGS, TAGS + 1])
def test_search_agrees_with_a_sort_and_never_returns_hidden_tags(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhaustive, "AT_ONCE", 64)
    tags, rows = unit(TAGS, 1), unit(11, 2)
    for share in (0.0, 0.4, 0.95, 1.0):
        hidden = np.random.default_rng(3).permutation(TAGS) < share * TAGS
        best, near = ExhaustiveRanker(tags, hidden).search(rows, k)
        visible = np.flatnonzero(~hidden)
        want = visible[np.argsort(-(rows @ tags[visible].T), axis=1)][:, :k]
        np.testing.assert_array_equal(best, want)
        np.testing.assert_allclose(near, np.take_along_axis(rows @ tags.T, want, axis=1), atol=1e-6)
    assert ExhaustiveRanker(tags, np.zeros(TAGS, np.bool_)).search(rows[:0], k)[0].shape == (0, min(k, TAGS))


def test_cosines_of_single_precision_rows_agree_to_half_precision() -> None:
    tags, rows = unit(TAGS, 4), unit(5, 5)
    finer = tags + np.float32(1e-5)
    near = ExhaustiveRanker(finer, np.zeros(TAGS, np.bool_)).search(rows, TAGS)[1]
    np.testing.assert_allclose(near, -np.sort(-(rows @ finer.T), axis=1), atol=1e-3)


def test_of_equally_near_tags_the_first_of_the_catalog_comes_first() -> None:
    tags = np.repeat(unit(3, 6), [4, 1, 5], axis=0)
    best, _ = ExhaustiveRanker(tags, np.zeros(10, np.bool_)).search(tags[[9]], 10)
    assert best[0, :5].tolist() == [5, 6, 7, 8, 9]


def test_a_video_of_which_nothing_is_there_is_near_nothing() -> None:
    best, near = ExhaustiveRanker(unit(TAGS, 7), np.zeros(TAGS, np.bool_)).search(np.zeros((1, WIDTH), np.float32), 5)
    assert len(set(best[0].tolist())) == 5
    assert not near.any()
