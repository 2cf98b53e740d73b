"""Reloading: changed files are read again, and invalid changes have no effect."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tagging.errors import InvalidConfigError
from tagging.service.reloading import Reloading
from tests.support.clocks import Clock


class NumberReader:
    """Reads a number from a file and counts the reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        try:
            return int(self.path.read_text())
        except (OSError, ValueError) as error:
            raise InvalidConfigError(f"no number: {error}") from error


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(tmp_path: Path) -> NumberReader:
    path = tmp_path / "number"
    path.write_text("1")
    return NumberReader(path)


def test_an_invalid_file_is_an_error_at_start(reader: NumberReader, clock: Clock) -> None:
    reader.path.write_text("one")
    with pytest.raises(InvalidConfigError):
        Reloading([reader.path], reader, clock)


def test_a_change_is_detected_after_the_interval_and_read_once(reader: NumberReader, clock: Clock) -> None:
    watched = Reloading([reader.path], reader, clock)
    reader.path.write_text("22")
    assert watched.current() == 1  # it was checked a moment ago
    clock.now += 1
    assert [watched.current() for _ in range(3)] == [22] * 3
    clock.now += 5
    assert (watched.current(), reader.times) == (22, 2)


def test_a_replacement_with_equal_size_and_time_is_a_change(reader: NumberReader, clock: Clock) -> None:
    watched = Reloading([reader.path], reader, clock)
    found = reader.path.stat()
    other = reader.path.with_name("other")
    other.write_text("2")
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(reader.path)
    clock.now += 1
    assert watched.current() == 2


@pytest.mark.parametrize("harm", ["unreadable", "gone"])
def test_an_invalid_change_is_logged_once_and_the_old_value_stays_in_use(
    reader: NumberReader, clock: Clock, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Reloading([reader.path], reader, clock)
    if harm == "gone":
        reader.path.unlink()
    else:
        reader.path.write_text("one")
    for _ in range(3):
        clock.now += 1
        assert watched.current() == 1
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert str(reader.path) in vars(record)["files"]
    assert "no number" in vars(record)["why"]
    reader.path.write_text("3")
    clock.now += 1
    assert watched.current() == 3


def test_a_file_written_while_it_is_read_is_read_again(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "number"
    path.write_text("1")

    def read() -> str:
        text = path.read_text()
        path.write_text("changed meanwhile") if text == "1" else None
        return text

    watched = Reloading([path], read, clock)
    clock.now += 1
    assert watched.current() == "changed meanwhile"


def test_a_file_is_not_read_while_it_is_being_written(reader: NumberReader, clock: Clock) -> None:
    watched = Reloading([reader.path], reader, clock)
    reader.path.write_text("2")  # of 22
    clock.now = reader.path.stat().st_ctime + 0.9
    assert watched.current() == 1
    reader.path.write_text("22")
    clock.now = reader.path.stat().st_ctime + 0.9
    assert watched.current() == 1
    clock.now += 1
    assert (watched.current(), reader.times) == (22, 2)


def test_a_change_with_a_time_in_the_future_is_read(reader: NumberReader, clock: Clock) -> None:
    watched = Reloading([reader.path], reader, clock)
    reader.path.write_text("22")
    clock.now = reader.path.stat().st_ctime - 3600
    assert watched.current() == 22


def test_changes_are_detected_after_the_clock_was_set_back(reader: NumberReader, clock: Clock) -> None:
    watched = Reloading([reader.path], reader, clock)
    reader.path.write_text("22")
    clock.now -= 300
    assert watched.current() == 22


def test_many_threads_read_a_change_once(reader: NumberReader, clock: Clock) -> None:
    watched = Reloading([reader.path], reader, clock)
    reader.path.write_text("22")
    clock.now += 1
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: watched.current(), range(200)))
    assert (set(found), reader.times) == ({22}, 2)
