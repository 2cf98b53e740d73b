from pathlib import Path

import pytest

from recall.index.journal import Journal, read_journal
from tagging.errors import ArtifactCorruptError

RECORDS = [b"first", b"", b"the third, VTJ1 in it", bytes(range(256))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    journal = Journal(path)
    for record in RECORDS:
        journal.append(record)
    journal.close()
    return path


def test_what_was_appended_is_read_in_its_order(path: Path) -> None:
    assert read_journal(path) == (RECORDS, 0)


def test_a_last_record_torn_at_any_byte_is_cut_off(path: Path) -> None:
    whole = path.read_bytes()
    last = 16 + len(RECORDS[-1])
    for kept in range(1, last):
        path.write_bytes(whole[: len(whole) - last + kept])
        assert read_journal(path) == (RECORDS[:-1], kept)
        assert read_journal(path) == (RECORDS[:-1], 0)  # the file was cut
    path.write_bytes(whole[:-last] + bytes(last))  # the length reached the disk, the bytes did not
    assert read_journal(path) == (RECORDS[:-1], last)


def test_a_journal_goes_on_after_a_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    read_journal(path)
    journal = Journal(path)
    journal.append(b"next")
    journal.close()
    assert read_journal(path) == ([*RECORDS[:-1], b"next"], 0)


def test_a_record_damaged_at_any_byte_before_intact_ones_is_an_error_and_nothing_is_cut(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(len(whole) - 16 - len(RECORDS[-1])):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(ArtifactCorruptError, match=r"record [123] at byte \d+ of \d+ is damaged"):
            read_journal(path)
        assert path.read_bytes() == damaged


@pytest.mark.parametrize("content", [b"", b"junk", b"VTJ1" + bytes(40)])
def test_a_journal_without_a_first_record_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal").write_bytes(content)
    with pytest.raises(ArtifactCorruptError, match="record 1 at byte 0"):
        read_journal(tmp_path / "journal")


def test_after_a_write_that_failed_a_journal_takes_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    journal = Journal(path)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append(b"lost")
    with pytest.raises(OSError, match="open the index again"):
        journal.append(b"behind a record that may be torn")
