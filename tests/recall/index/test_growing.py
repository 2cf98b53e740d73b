"""Growing index; test_backends.py runs it over every backend."""

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from recall.index.flat import FlatIndex
from recall.index.growing import GrowingIndex
from tests.support.embeddings import Rows, clustered, nearest_ids
from tests.support.polling import wait_until

DIM = 8
BASE = 30


def row(row_id: int) -> Rows:
    """Return the row (D,) of an id in these tests."""
    return np.asarray(clustered(np.random.default_rng(row_id), 1, DIM)[0])


def rows(*ids: int) -> Rows:
    return np.array([row(i) for i in ids], np.float32).reshape(-1, DIM)


def found(index: GrowingIndex) -> NDArray[np.int64]:
    """Return the ids of all rows, each found by its own row."""
    ids = index.search(rows(0), k=len(index) + 5).ids[0]
    ids = np.sort(ids[ids >= 0])
    if len(ids):
        np.testing.assert_array_equal(index.search(rows(*ids.tolist()), k=1).ids[:, 0], ids)
    assert len(ids) == len(index)
    return ids


@pytest.fixture
def index() -> GrowingIndex:
    """Rows 0 to 32 without 4 and 31; 33 was added and removed."""
    index = GrowingIndex(FlatIndex(rows(*range(BASE))))
    index.add(rows(30, 31))
    index.remove([4, 31])
    index.add(rows(32, 33))
    index.remove([33])
    return index


LIVE = [i for i in range(33) if i not in (4, 31)]


def test_live_rows_are_found_and_ids_are_never_reused(index: GrowingIndex) -> None:
    assert found(index).tolist() == LIVE
    assert index.add(rows(34)).tolist() == [34]
    ids, there = index.live()
    assert ids.tolist() == [*LIVE, 34]
    np.testing.assert_array_equal(there, rows(*LIVE, 34))


def test_all_rows_can_be_removed_and_added_again(index: GrowingIndex) -> None:
    assert index.remove(LIVE) == len(LIVE)
    assert found(index).tolist() == []
    assert index.search(rows(0), k=2).ids.tolist() == [[-1, -1]]
    index.add(rows(34))
    assert found(index).tolist() == [34]


def test_an_index_may_start_empty() -> None:
    index = GrowingIndex(FlatIndex(np.zeros((0, DIM), np.float32)))
    assert index.search(rows(0), k=2).ids.tolist() == [[-1, -1]]
    assert index.add(rows(0, 1)).tolist() == [0, 1]
    assert found(index).tolist() == [0, 1]


def test_k_rows_are_returned_however_many_of_the_nearest_were_removed() -> None:
    many = clustered(np.random.default_rng(0), 3_000, DIM)
    order = nearest_ids(many[:1], many, 3_000)[0]
    index = GrowingIndex(FlatIndex(many))
    for gone in (10, 500, 2_900):
        index.remove(order[:gone])
        assert index.search(many[:1], k=60).ids[0].tolist() == order[gone : gone + 60].tolist()


def test_a_row_is_removed_once_and_an_unknown_id_is_an_error(index: GrowingIndex) -> None:
    assert index.remove([4, 5, 5, 33]) == 1
    assert index.remove([5]) == 0
    for wrong in (-1, 34):
        with pytest.raises(ValueError, match=r"expected 0 to 33"):
            index.remove([3, wrong])
    assert 3 in found(index)


@pytest.mark.parametrize("wrong", [np.zeros((1, DIM + 1), np.float32), np.full((1, DIM), np.nan, np.float32)])
def test_rows_of_another_width_or_not_finite_change_nothing(index: GrowingIndex, wrong: Rows) -> None:
    with pytest.raises(ValueError, match=r"shape|finite"):
        index.add(wrong)
    assert index.add(np.zeros((0, DIM), np.float32)).tolist() == []
    assert found(index).tolist() == LIVE


def test_searches_see_consistent_snapshots_during_changes() -> None:
    """Rows are added and removed in threes, so every search sees a multiple of three."""
    seen: list[int] = []
    index = GrowingIndex(FlatIndex(rows(*range(BASE))))
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            ids = index.search(rows(0), k=400).ids[0]
            seen.append(int((ids >= 0).sum()))
            assert len(set(ids[ids >= 0].tolist())) == seen[-1]

    thread = threading.Thread(target=search)
    thread.start()
    for turn in range(60):
        first = BASE + 3 * turn
        ids = index.add(rows(first, first + 1, first + 2))
        if turn % 2:
            index.remove(ids)
    wait_until(lambda: seen)
    stop.set()
    thread.join()
    assert len(index) == BASE + 30 * 3
    assert {count % 3 for count in seen} == {0}
