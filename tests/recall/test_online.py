"""What an index that grows keeps through restarts, kills and damage; test_index.py searches it over every backend."""

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recall.index import generations, online
from recall.index.base import VectorIndex
from recall.index.factory import build_index
from recall.index.flat import FlatIndex
from recall.index.online import GrowingIndex
from tagging.config import IndexConfig
from tagging.errors import ArtifactCorruptError, ArtifactError, ArtifactMismatchError, BackendUnavailableError
from tests.recall.embeddings import Rows, clustered, nearest_ids

DIM = 8
FLAT = IndexConfig(backend="flat")
BASE = 30


def row(row_id: int) -> Rows:
    """(D,) The row that the tests give the id."""
    return np.asarray(clustered(np.random.default_rng(row_id), 1, DIM)[0])


def rows(*ids: int) -> Rows:
    return np.array([row(i) for i in ids], np.float32).reshape(-1, DIM)


def base() -> VectorIndex:
    return FlatIndex(rows(*range(BASE)))


def reopened(folder: Path, config: IndexConfig = FLAT) -> GrowingIndex:
    return GrowingIndex.open(folder, "bundle", base, config)


def found(index: GrowingIndex) -> NDArray[np.int64]:
    """The ids of all that is found, each with its own row."""
    ids = index.search(rows(0), k=index.next_id + 5).ids[0]
    ids = np.sort(ids[ids >= 0])
    if len(ids):
        np.testing.assert_array_equal(index.search(rows(*ids.tolist()), k=1).ids[:, 0], ids)
    assert len(ids) == len(index)
    return ids


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The growing index of rows 0 to 32 without 4 and 31; 33 was added and removed."""
    folder = tmp_path / "growing"
    with reopened(folder) as index:
        index.add(rows(30, 31))
        index.remove([4, 31])
        index.add(rows(32, 33))
        index.remove([33])
    return folder


LIVE = [i for i in range(33) if i not in (4, 31)]


def test_an_index_opened_again_is_as_it_was_left(folder: Path) -> None:
    with reopened(folder) as index:
        assert found(index).tolist() == LIVE
        assert index.next_id == 34
        assert index.unfolded == 4 + 1


def test_ids_stay_through_snapshots_and_none_is_used_twice(folder: Path) -> None:
    for turn in range(3):
        with reopened(folder) as index:
            index.snapshot()
            assert found(index).tolist() == [*LIVE, *range(34, 34 + turn)]
            assert index.unfolded == 0
            assert index.add(rows(34 + turn)).tolist() == [34 + turn]
        with reopened(folder) as index:
            assert found(index).tolist() == [*LIVE, *range(34, 35 + turn)]


def test_after_a_snapshot_the_index_that_was_grown_is_not_loaded_any_more(folder: Path) -> None:
    with reopened(folder) as index:
        index.snapshot()
    with GrowingIndex.open(folder, "bundle", lambda: pytest.fail("loaded"), FLAT) as index:
        assert found(index).tolist() == LIVE


def test_a_snapshot_may_be_of_another_backend(folder: Path) -> None:
    with reopened(folder, IndexConfig(backend="hnsw")) as index:
        assert index.is_exact
        index.snapshot()
        assert not index.is_exact
    with reopened(folder, FLAT) as index:
        assert not index.is_exact
        assert found(index).tolist() == LIVE


def test_everything_can_be_removed_and_come_back(folder: Path) -> None:
    with reopened(folder) as index:
        index.remove(LIVE)
        for _ in range(2):
            assert found(index).tolist() == []
            assert index.search(rows(0), k=2).ids.tolist() == [[-1, -1]]
            index.snapshot()
        index.add(rows(34))
        assert found(index).tolist() == [34]


def test_enough_rows_come_back_however_many_of_the_nearest_are_gone(tmp_path: Path) -> None:
    many = clustered(np.random.default_rng(0), 3_000, DIM)
    order = nearest_ids(many[:1], many, 3_000)[0]
    with GrowingIndex.open(tmp_path, "many", lambda: FlatIndex(many), FLAT) as index:
        for gone in (10, 500, 2_900):
            index.remove(order[:gone])
            assert index.search(many[:1], k=60).ids[0].tolist() == order[gone : gone + 60].tolist()


def test_a_row_that_is_gone_is_removed_once_and_one_that_never_was_is_an_error(folder: Path) -> None:
    with reopened(folder) as index:
        assert 4 not in index
        assert 5 in index
        assert index.remove([4, 5, 5, 33]) == 1
        assert index.remove([5]) == 0
        for wrong in (-1, 34):
            with pytest.raises(ValueError, match=r"expected 0 to 33"):
                index.remove([3, wrong])
        assert 3 in index


@pytest.mark.parametrize("wrong", [np.zeros((1, DIM + 1), np.float32), np.full((1, DIM), np.nan, np.float32)])
def test_rows_of_another_width_or_not_finite_leave_no_trace(folder: Path, wrong: Rows) -> None:
    with reopened(folder) as index:
        with pytest.raises(ValueError, match=r"shape|finite"):
            index.add(wrong)
        assert index.add(np.zeros((0, DIM), np.float32)).tolist() == []
    with reopened(folder) as index:
        assert index.next_id == 34


def test_a_torn_last_record_is_cut_off_and_reported(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = folder / "000000" / "journal"
    with reopened(folder) as index:
        index.add(rows(34, 35))
    journal.write_bytes(journal.read_bytes()[:-5])
    with reopened(folder) as index:
        assert found(index).tolist() == LIVE
        assert "the last record was torn" in caplog.text
        assert index.add(rows(34)).tolist() == [34]
    with reopened(folder) as index:
        assert found(index).tolist() == [*LIVE, 34]


def test_a_damaged_record_in_the_middle_is_one_clear_error(folder: Path) -> None:
    journal = folder / "000000" / "journal"
    damaged = bytearray(journal.read_bytes())
    damaged[-200] ^= 1
    journal.write_bytes(damaged)
    with pytest.raises(ArtifactCorruptError, match=r"journal: record \d at byte"):
        reopened(folder)


def test_a_damaged_file_of_a_snapshot_is_one_clear_error(folder: Path) -> None:
    with reopened(folder) as index:
        index.snapshot()
    for name in ("base/rows.npy", "ids.npy"):
        path = folder / "000001" / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(ArtifactCorruptError, match=f"{name} has sha256"):
            reopened(folder)
        path.write_bytes(whole)
    reopened(folder).close()


def test_a_folder_is_open_once(folder: Path) -> None:
    with reopened(folder), pytest.raises(ArtifactError, match="is open elsewhere"):
        reopened(folder)
    reopened(folder).close()


def test_a_folder_over_another_index_is_refused(folder: Path) -> None:
    with pytest.raises(ArtifactMismatchError, match="grows 'bundle' in format 1, expected 'other'"):
        GrowingIndex.open(folder, "other", base, FLAT)
    with pytest.raises(ArtifactMismatchError, match="30 rows of width 8, the one given has 3 of 8"):
        GrowingIndex.open(folder, "bundle", lambda: FlatIndex(rows(0, 1, 2)), FLAT)


def during_build(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen while a snapshot is built."""

    def build(built: Rows, config: IndexConfig) -> VectorIndex:
        happens()
        return build_index(built, config)

    monkeypatch.setattr(online, "build_index", build)


def test_a_generation_that_a_server_does_not_remove_now_is_left_for_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: object) -> None:
        raise BackendUnavailableError("nobody answers")

    with reopened(folder) as index:
        index.snapshot()
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(generations, "drop_index", gone)
            index.snapshot()
            index.snapshot()
        assert "counts no more, and cannot be removed: nobody answers" in caplog.text
        assert (folder / "000001").exists()
        index.snapshot()
        assert not (folder / "000001").exists()
        assert found(index).tolist() == LIVE


def test_what_changes_while_a_snapshot_is_built_is_not_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reopened(folder) as index:

        def happens() -> None:
            index.add(rows(34, 35, 36))
            index.remove([0, 30, 35])
            assert found(index).tolist() == [*(i for i in LIVE if i not in (0, 30)), 34, 36]

        during_build(monkeypatch, happens)
        index.snapshot()
        want = [*(i for i in LIVE if i not in (0, 30)), 34, 36]
        assert found(index).tolist() == want
        index.add(rows(37))
    with reopened(folder) as index:
        assert found(index).tolist() == [*want, 37]


def test_a_snapshot_that_fails_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError("disk full")

    with reopened(folder) as index:
        with monkeypatch.context() as patched:
            during_build(patched, fails)
            with pytest.raises(OSError, match="disk full"):
                index.snapshot()
        index.add(rows(34))
        assert found(index).tolist() == [*LIVE, 34]
        assert sorted(path.name for path in folder.iterdir()) == ["000000", "lock"]
        index.snapshot()
    with reopened(folder) as index:
        assert found(index).tolist() == [*LIVE, 34]


def test_searches_see_whole_moments_while_rows_come_and_go(tmp_path: Path) -> None:
    """Rows are added in threes and removed in threes: every search sees a multiple of three."""
    seen: list[int] = []
    with reopened(tmp_path) as index:
        stop = threading.Event()

        def search() -> None:
            while not stop.is_set():
                ids = index.search(rows(0), k=200).ids[0]
                seen.append(int((ids >= 0).sum()))
                assert len(set(ids[ids >= 0].tolist())) == seen[-1]

        thread = threading.Thread(target=search)
        thread.start()
        for turn in range(12):
            ids = index.add(rows(*range(index.next_id, index.next_id + 3)))
            if turn % 2:
                index.remove(ids)
            if turn % 4 == 3:
                index.snapshot()
        stop.set()
        thread.join()
        assert found(index).tolist()[:BASE] == list(range(BASE))
        assert len(index) == BASE + 6 * 3
    assert seen
    assert {count % 3 for count in seen} == {0}


WRITER = """
import sys
from pathlib import Path
from tests.recall.test_online import reopened, rows

with reopened(Path(sys.argv[1])) as index:
    for turn in range(10**6):
        first = index.next_id
        ids = index.add(rows(*range(first, first + 1 + turn % 4)))
        print("added", *ids, flush=True)
        if turn % 5 == 4:
            index.remove(ids[:1])
            print("removed", ids[0], flush=True)
        if turn % 11 == 10:
            index.snapshot()
"""


def test_what_was_acknowledged_before_a_kill_is_there_after_it_and_nothing_twice(tmp_path: Path) -> None:
    chance = random.Random(3)
    added, removed = set(range(BASE)), set[int]()
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(chance.randint(1, 60))]
        writer.kill()
        lines += writer.stdout.readlines()  # what it had said before it died
        writer.stdout.close()
        assert writer.wait() == -9
        for line in lines:
            what, *ids = line.split()
            (added if what == "added" else removed).update(map(int, ids))
        with reopened(tmp_path) as index:
            there = set(found(index).tolist())
            told = added - removed
            assert len(told - there) <= 1  # the one whose removal was under way
            assert len(there - told) <= 4  # the batch that was under way
            assert not there & removed
            assert there | removed <= set(range(index.next_id))
            removed |= told - there
            added |= there
