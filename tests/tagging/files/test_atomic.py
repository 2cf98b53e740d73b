import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.errors import OutputUnwritableError
from tagging.files.atomic import atomic_file, atomic_folder, require_file, require_folder, require_new


def in_a_file(folder: Path) -> Path:
    (folder / "file").write_text("x")
    return folder / "file" / "out"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


NOWHERE = [
    in_a_file,
    lambda _: Path("/proc/there/is/no/such/folder"),  # not even root can create it
    lambda folder: folder / ("x" * 250),  # too long a name to append the suffix of a partial file
    lambda folder: folder / ("x" * 300),
]


@pytest.mark.parametrize("path_in", [*NOWHERE, lambda folder: folder, pipe, lambda _: Path("/dev/null")])
def test_a_path_where_no_file_can_be_written_is_refused(tmp_path: Path, path_in: Callable[[Path], Path]) -> None:
    with pytest.raises(OutputUnwritableError) as caught:
        require_file(path_in(tmp_path))
    assert caught.value.hint


@pytest.mark.parametrize("path_in", NOWHERE)
def test_a_path_where_no_folder_can_be_created_is_refused(tmp_path: Path, path_in: Callable[[Path], Path]) -> None:
    with pytest.raises(OutputUnwritableError) as caught:
        require_new(path_in(tmp_path))
    assert caught.value.hint


@pytest.mark.parametrize("path_in", [*NOWHERE, pipe, lambda _: Path("/proc")])
def test_a_path_where_no_folder_can_be_filled_is_refused(tmp_path: Path, path_in: Callable[[Path], Path]) -> None:
    with pytest.raises(OutputUnwritableError) as caught:
        require_folder(path_in(tmp_path))
    assert caught.value.hint


def test_a_folder_that_exists_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    require_folder(tmp_path / "old")
    require_folder(tmp_path / "new")
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root has every right")
def test_a_file_without_write_permission_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "mine").chmod(0o444)
    with pytest.raises(OutputUnwritableError, match="write-protected"):
        require_file(tmp_path / "mine")


def test_checking_for_write_access_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    for name in ("old", "new", "folder/new"):
        require_file(tmp_path / name)
    assert (tmp_path / "old").read_text() == "old"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "old"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
        (OSError(errno.EFBIG, "File too large"), "File too large"),
        (ValueError("I/O error: No space left on device (os error 28)"), "No space left"),  # as safetensors reports it
        (ValueError("I/O error: File too large (os error 27)"), "File too large"),
        (ValueError("I/O error: Disk quota exceeded (os error 122)"), "Disk quota exceeded"),
    ],
)
def test_no_room_is_one_known_error_and_leaves_no_file(tmp_path: Path, words: Exception, reason: str) -> None:
    no_room = f"out cannot be written: {reason}"
    with pytest.raises(OutputUnwritableError, match=no_room) as caught, atomic_folder(tmp_path / "out") as folder:
        (folder / "half").write_text("x")
        raise words
    assert caught.value.__cause__ is words
    with pytest.raises(OutputUnwritableError, match=no_room), atomic_file(tmp_path / "out") as partial:
        partial.write_text("x")
        raise words
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_recognised_when_a_library_hides_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save() -> None:
        with atomic_file(tmp_path / "out"):
            raise RuntimeError("unexpected pos 576 vs 534")  # as torch reports it

    with pytest.raises(RuntimeError, match="unexpected pos"):
        save()
    total = shutil.disk_usage(tmp_path).total
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(total, total, 0))
    with pytest.raises(OutputUnwritableError, match="out cannot be written: No space left"):
        save()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_on_a_full_disk_stays_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(stop), atomic_file(tmp_path / "out"):
        raise stop
