from pathlib import Path

import pytest

from tagging.errors import ArtifactCorruptError
from tagging.store.features import FeatureStore
from tagging.store.passages import PassageTable
from tagging.types import Passage, Reading

SPOKEN = Reading((Passage("a red car", 1.0, 2.5, 0.75, "en"), Passage("赤い車", 3.0, 4.0, 0.5, "ja")), ("cut",))
SILENT = Reading(())


def table(root: Path) -> PassageTable:
    return FeatureStore(root).passages("speech", "fp")


def test_readings_are_read_back_unchanged_and_silence_is_remembered(tmp_path: Path) -> None:
    writer = table(tmp_path)
    writer.add("spoken", SPOKEN)
    writer.flush()
    writer.add("silent", SILENT)
    writer.flush()
    reopened = table(tmp_path)
    assert len(reopened) == 2
    assert "silent" in reopened
    assert dict(reopened.read(["silent", "spoken", "unknown"])) == {"spoken": SPOKEN, "silent": SILENT}


def test_a_key_is_stored_once(tmp_path: Path) -> None:
    writer = table(tmp_path)
    writer.add("k", SPOKEN)
    writer.flush()
    again = table(tmp_path)
    again.add("k", SILENT)
    assert list(again.read(["k", "k"])) == [("k", SPOKEN)]


def test_a_reading_that_was_not_flushed_leaves_no_shard(tmp_path: Path) -> None:
    table(tmp_path).add("k", SPOKEN)
    assert len(table(tmp_path)) == 0


@pytest.mark.parametrize("damage", [b"", b"no parquet"])
def test_a_damaged_shard_is_named(tmp_path: Path, damage: bytes) -> None:
    writer = table(tmp_path)
    writer.add("k", SPOKEN)
    writer.flush()
    [shard] = (tmp_path / "speech" / "fp").glob("*.parquet")
    shard.write_bytes(damage)
    with pytest.raises(ArtifactCorruptError, match=shard.name):
        table(tmp_path)
