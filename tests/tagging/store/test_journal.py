from pathlib import Path

import pytest

from tagging.errors import ArtifactCorruptError, ArtifactError, OutputUnwritableError
from tagging.store.journal import Journal, read_journal
from tests.support.disks import tiny_disk

RECORDS = [b"first", b"", b"the third, VTJ1 in it", bytes(range(256))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    journal, before = Journal.open(path)
    assert before == []
    with journal:
        for record in RECORDS:
            journal.append(record)
    return path


def reopened(path: Path) -> list[bytes]:
    journal, payloads = Journal.open(path)
    journal.close()
    return payloads


def test_records_are_read_in_the_order_in_which_they_were_appended(path: Path) -> None:
    assert read_journal(path) == (RECORDS, 0)
    assert reopened(path) == RECORDS


def test_a_last_record_torn_at_any_byte_is_skipped_and_the_next_writer_truncates_it(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = path.read_bytes()
    last = 16 + len(RECORDS[-1])
    for kept in range(1, last):
        path.write_bytes(whole[: len(whole) - last + kept])
        assert read_journal(path) == (RECORDS[:-1], kept)
        assert read_journal(path) == (RECORDS[:-1], kept)  # a reader changes nothing
        assert reopened(path) == RECORDS[:-1]
        assert f"its {kept} bytes were cut off" in caplog.text
        assert read_journal(path) == (RECORDS[:-1], 0)
    path.write_bytes(whole[:-last] + bytes(last))  # the length reached the disk, the bytes did not
    assert read_journal(path) == (RECORDS[:-1], last)


def test_a_journal_can_be_appended_to_after_truncation(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    journal, _ = Journal.open(path)
    with journal:
        journal.append(b"next")
    assert read_journal(path) == ([*RECORDS[:-1], b"next"], 0)


def test_a_record_damaged_at_any_byte_before_intact_ones_is_an_error_and_nothing_is_cut(path: Path) -> None:
    whole = path.read_bytes()
    for position in range(len(whole) - 16 - len(RECORDS[-1])):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(ArtifactCorruptError, match=r"record [123] at byte \d+ of \d+ is damaged|is no journal"):
            reopened(path)
        assert path.read_bytes() == damaged


@pytest.mark.parametrize("content", [b"", b"V", b"VTJ1", b"VTJ1" + bytes(40), bytes(60)])
def test_a_journal_killed_in_its_first_record_starts_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    assert read_journal(path) == ([], len(content))
    assert reopened(path) == []
    assert path.read_bytes() == b""


@pytest.mark.parametrize("content", [b"junk", b'{"video_id": "1"}\n', b"VTJ2" + bytes(40)])
def test_a_file_of_another_format_is_refused_and_unchanged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "videos.jsonl"
    path.write_bytes(content)
    with pytest.raises(ArtifactCorruptError, match="is no journal of videotag"):
        reopened(path)
    assert path.read_bytes() == content


def test_a_journal_has_one_writer_and_any_number_of_readers(path: Path) -> None:
    journal, _ = Journal.open(path)
    with journal:
        with pytest.raises(ArtifactError, match="is being written elsewhere"):
            Journal.open(path)
        assert read_journal(path) == (RECORDS, 0)
    assert reopened(path) == RECORDS


def test_a_path_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    for unwritable in (tmp_path, tmp_path / "no" / "such"):
        with pytest.raises(OutputUnwritableError, match="cannot be written"):
            Journal.open(unwritable)


def test_a_journal_that_cannot_be_synced_is_not_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OutputUnwritableError, match="Input/output error"):
        Journal.open(path)


def test_after_a_failed_write_a_journal_refuses_appends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    journal, _ = Journal.open(path)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OutputUnwritableError, match="No space left"):
            journal.append(b"lost")
    with pytest.raises(OutputUnwritableError, match="an earlier write failed"):
        journal.append(b"after a record that may be torn")


def test_on_a_full_disk_acknowledged_records_are_kept_and_writing_resumes_with_room(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", 1) as disk:
        path, acknowledged = disk / "journal", list[bytes]()
        (disk / "ballast").write_bytes(bytes(300_000))
        journal, _ = Journal.open(path)
        with journal, pytest.raises(OutputUnwritableError, match=r"journal cannot be written: No space left|took \d+"):
            for number in range(1000):
                journal.append(record := f"{number} ".encode() * 3000)
                acknowledged.append(record)
        assert acknowledged
        assert read_journal(path)[0] == acknowledged  # a torn record after them is skipped
        (disk / "ballast").unlink()
        assert reopened(path) == acknowledged
        journal, _ = Journal.open(path)
        with journal:
            journal.append(b"after")
        assert read_journal(path) == ([*acknowledged, b"after"], 0)
