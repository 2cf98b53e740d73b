import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow.parquet as pq
import pytest

from tagging.errors import ArtifactCorruptError, OutputUnwritableError
from tagging.store.features import FeatureStore, FeatureTable, StoredFeatures
from tests.support.polling import wait_until

HALF = np.float16


def table(root: Path, dim: int = 3) -> FeatureTable:
    return FeatureStore(root).table("frames", "fp", dim)


def test_features_are_read_back_unchanged(tmp_path: Path) -> None:
    kept = {
        "one": StoredFeatures(np.array([[1, 2, 3]], HALF), ("a warning",)),
        "three": StoredFeatures(np.arange(9).reshape(3, 3).astype(HALF)),
        "nothing": StoredFeatures(None, ("no sound track",)),
    }
    writer = table(tmp_path)
    for key, features in kept.items():
        writer.add(key, features)
    writer.flush()
    reopened = table(tmp_path)
    assert len(reopened) == 3
    got = dict(reopened.read(["three", "nothing", "one", "unknown"]))
    assert set(got) == set(kept)
    for key, features in kept.items():
        assert got[key].warnings == features.warnings
        if features.tokens is None:
            assert got[key].tokens is None
        else:
            np.testing.assert_array_equal(got[key].tokens, features.tokens)


def test_a_key_is_stored_once(tmp_path: Path) -> None:
    writer = table(tmp_path)
    writer.add("k", StoredFeatures(np.ones((1, 3), HALF)))
    writer.flush()
    again = table(tmp_path)
    again.add("k", StoredFeatures(np.zeros((1, 3), HALF)))
    [(_, got)] = again.read(["k", "k"])
    assert got.tokens is not None
    assert got.tokens.tolist() == [[1, 1, 1]]


def test_two_writers_may_add_to_one_table(tmp_path: Path) -> None:
    first, second = table(tmp_path), table(tmp_path)
    first.add("a", StoredFeatures(np.ones((1, 3), HALF)))
    second.add("b", StoredFeatures(np.ones((2, 3), HALF)))
    first.flush()
    second.flush()
    assert len(table(tmp_path)) == 2


def test_another_encoder_or_modality_has_a_table_of_its_own(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    writer = store.table("text", "one", 3)
    writer.add("k", StoredFeatures(np.ones((1, 3), HALF)))
    writer.flush()
    assert "k" not in store.table("text", "two", 3)
    assert "k" not in store.table("audio", "one", 3)
    assert "k" in store.table("text", "one", 3)


def test_tokens_of_another_width_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(2, 4\), expected \(T, 3\)"):
        table(tmp_path).add("k", StoredFeatures(np.ones((2, 4), HALF)))


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    writer = table(tmp_path)
    writer.add("k", StoredFeatures(np.ones((1, 3), HALF)))
    writer.flush()
    [shard] = (tmp_path / "frames" / "fp").glob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:50])
    with pytest.raises(ArtifactCorruptError, match=shard.name):
        table(tmp_path)


def test_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    writer = table(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(50):
        writer.add(f"k{number}", StoredFeatures(rng.normal(size=(20, 3)).astype(HALF)))
    writer.flush()
    want = dict(table(tmp_path).read([f"k{n}" for n in range(50)]))
    [shard] = (tmp_path / "frames" / "fp").glob("*.parquet")
    whole = shard.read_bytes()
    detected = 0
    for position in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        shard.write_bytes(damaged)
        try:
            got = dict(table(tmp_path).read(list(want)))
        except ArtifactCorruptError:
            detected += 1
            continue
        for key, features in got.items():
            np.testing.assert_array_equal(np.asarray(features.tokens), np.asarray(want[key].tokens))
    assert detected > 30


def test_a_full_disk_leaves_no_partial_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(table: object, file: BinaryIO, **_: object) -> None:
        file.write(b"half a shard")
        raise OSError(28, "No space left on device")

    writer = table(tmp_path)
    writer.add("k", StoredFeatures(np.ones((1, 3), HALF)))
    with monkeypatch.context() as patch, pytest.raises(OutputUnwritableError, match="No space"):
        patch.setattr("tagging.store.shards.pq.write_table", full)
        writer.flush()
    assert list((tmp_path / "frames" / "fp").iterdir()) == []
    writer.flush()  # with room again, nothing is lost
    assert "k" in table(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error_that_says_where_to_choose_another(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputUnwritableError, match="frames") as caught:
        table(tmp_path / "file")
    assert "--features" in caught.value.hint
    assert "VIDEOTAG_HOME" in caught.value.hint


def test_a_shard_that_another_process_renames_meanwhile_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "frames" / "fp"
    folder.mkdir(parents=True)
    (folder / ".a.parquet.partial-0").symlink_to("renamed")  # listed, and gone when it is looked at
    assert len(table(tmp_path)) == 0


def test_shards_hold_half_precision(tmp_path: Path) -> None:
    writer = table(tmp_path)
    writer.add("k", StoredFeatures(np.ones((1, 3), HALF)))
    writer.flush()
    [shard] = (tmp_path / "frames" / "fp").glob("*.parquet")
    assert str(pq.read_schema(shard).field("values").type.value_type) == "halffloat"


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    writer = table(tmp_path)
    writer.add("k", StoredFeatures(np.array([[1, np.nan, 0]], HALF)))
    with pytest.raises(ArtifactCorruptError, match="not finite"):
        list(writer.read(["k"]))


WRITER = """
import sys, numpy as np
from pathlib import Path
from tagging.store import features, shard_table
shard_table.FLUSH_ROWS = 50
table = features.FeatureStore(Path(sys.argv[1])).table("frames", "fp", 3)
number = 0
while True:
    table.add(f"k{number}", features.StoredFeatures(np.full((2, 3), number % 1000, np.float16)))
    number += 1
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_only_complete_shards(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
    folder = tmp_path / "frames" / "fp"
    try:
        wait_until(lambda: writer.poll() is not None or len(list(folder.glob("*.parquet"))) >= 5)
    finally:
        writer.kill()
    assert writer.wait() == -signal.SIGKILL
    survivor = table(tmp_path)
    assert len(survivor) >= 250
    assert len(survivor) % 50 == 0
    for key, got in survivor.read([f"k{n}" for n in range(len(survivor))]):
        assert got.tokens is not None
        assert (got.tokens == int(key[1:]) % 1000).all()
