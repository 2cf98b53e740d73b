"""Writing whole or not at all: into a hidden sibling that takes the name at the end.

A process that is killed leaves at most the hidden sibling; that of a folder is removed by the next writer of its name.
"""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tagging.errors import OutputExistsError, OutputUnwritableError, VideotagError

_MAKE_ROOM = "make room, then run the same command again"
NO_ROOM_HINTS = {errno.ENOSPC: _MAKE_ROOM, errno.EDQUOT: _MAKE_ROOM, errno.EFBIG: "raise the limit of `ulimit -f`"}
NO_ROOM = 2**16  # bytes; less than that no file system fills


@contextmanager
def partial_folder(out: Path) -> Iterator[Path]:
    """Provide a hidden sibling folder of `out` to fill and rename; it is removed if it still exists at the end."""
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}.partial-"
    _remove_abandoned(out.parent, prefix)
    partial = out.parent / f"{prefix}{uuid.uuid4().hex}"
    partial.mkdir()
    handle = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # shows a later run that this folder's writer is alive
        with _telling_no_room(out):
            yield partial
    finally:
        os.close(handle)
        shutil.rmtree(partial, ignore_errors=True)


def require_new(out: Path) -> None:
    """Called before the work that leads to a folder: OutputExistsError where something is already.

    OutputUnwritableError where no folder can be made.
    """
    if os.path.lexists(out):
        raise OutputExistsError(f"{out} exists; a folder is never written over", "choose another place, or remove it")
    with _telling_refusal(out):
        _try_to_write(out)


def require_folder(out: Path) -> None:
    """Called before the work that fills a folder, new or extended: OutputUnwritableError where that is impossible."""
    with _telling_refusal(out):
        if os.path.lexists(out) and not out.is_dir():
            raise OutputUnwritableError(f"{out} is no folder", "name a folder, new or of earlier runs")
        _try_to_write(out)
        if out.is_dir():
            _try_to_write(out / "any")


def require_file(path: Path) -> None:
    """Called before the work that leads to a file, new or in place of another: OutputUnwritableError where none can be.

    A folder, or a device that the file would take the place of, is refused as well.
    """
    with _telling_refusal(path):
        if path.exists() and not path.is_file():
            raise OutputUnwritableError(f"{path} is {'a folder' if path.is_dir() else 'no file'}", "name a file")
        if path.exists() and not os.access(path, os.W_OK):  # taking its place would need no right to it
            raise OutputUnwritableError(f"{path} is write-protected", "choose another place")
        _try_to_write(path)


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """A hidden sibling to fill; renamed to `out` when the block ends without an error."""
    require_new(out)
    with partial_folder(out) as partial:
        yield partial
        try:
            partial.rename(out)
        except OSError as error:  # another process finished first
            raise OutputExistsError(f"{out} appeared while it was made", "choose another place") from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A hidden sibling to write; it takes the place of `path` when the block ends, and is gone after an error."""
    partial = path.with_name(f".{path.name}.partial-{uuid.uuid4().hex}")
    try:
        with _telling_no_room(path):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_text_file(path: Path) -> Iterator[TextIO]:
    """The same as an open UTF-8 text file."""
    with atomic_file(path) as partial, partial.open("w", encoding="utf-8") as file:
        yield file


def _try_to_write(out: Path) -> None:
    """Check by writing: neither permissions nor the file system's flags are reliable."""
    if out.parent.is_file():
        raise OutputUnwritableError(f"{out} cannot be written: {out.parent} is no folder", "choose another place")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial-{uuid.uuid4().hex}")
    partial.touch()
    partial.unlink()


@contextmanager
def _telling_refusal(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputUnwritableError(f"{out} cannot be written: {error.strerror}", "choose another place") from error


@contextmanager
def _telling_no_room(out: Path) -> Iterator[None]:
    """Report a full disk as one known error that names the output.

    Libraries report it differently (torch in a RuntimeError that does not name it, safetensors in an error derived
    directly from Exception, NumPy in an OSError without a number), so free space is checked too.
    """
    try:
        yield
    except VideotagError:
        raise
    except Exception as error:
        code = _code_of(error, out.parent)
        if code is None:
            raise
        raise OutputUnwritableError(f"{out} cannot be written: {os.strerror(code)}", NO_ROOM_HINTS[code]) from error


def _code_of(error: Exception, folder: Path) -> int | None:
    """Return the number of the reason for which there was no room; None for another error."""
    if isinstance(error, OSError) and error.errno in NO_ROOM_HINTS:
        return error.errno
    named = next((code for code in NO_ROOM_HINTS if os.strerror(code) in str(error)), None)
    return errno.ENOSPC if named is None and _is_full(folder) else named


def _is_full(folder: Path) -> bool:
    with suppress(OSError):
        return shutil.disk_usage(folder).free < NO_ROOM
    return False


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for path in parent.iterdir():
        if not path.name.startswith(prefix):
            continue
        with suppress(FileNotFoundError, BlockingIOError):  # gone meanwhile, or its writer lives
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)
