"""Append-only file of one process: locked while it is open, and each append durable once it has returned."""

import fcntl
import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import TypeVar

from tagging.errors import OutputUnwritableError, VideotagError

T = TypeVar("T")


class AppendedFile:
    """An open file, which holds its lock until it is closed."""

    def __init__(self, path: Path, file: FileIO) -> None:
        """Used by `open`, which holds the lock."""
        self.path = path
        self._file = file
        self.end = os.fstat(file.fileno()).st_size

    @classmethod
    def open(cls, path: Path, busy: VideotagError, load: Callable[["AppendedFile"], T]) -> tuple["AppendedFile", T]:
        """Open or create a file, lock it, and return it with what `load` read of it; closed again if that fails.

        busy: raised if another process has it open
        load: may cut off the end of the file
        Raises OutputUnwritableError, and the errors of `load`.
        """
        try:
            file = FileIO(path, "ab+")
        except OSError as error:
            raise OutputUnwritableError(f"{path} cannot be written: {error.strerror}", "name another file") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            appended = cls(path, file)
            loaded = load(appended)
            os.fsync(file)
            sync_folder(path.parent)  # makes the name of a new file durable too
        except BlockingIOError as error:
            file.close()
            raise busy from error
        except OSError as error:
            file.close()
            raise OutputUnwritableError(f"{path} cannot be used: {error.strerror}", "look at its disk") from error
        except BaseException:  # also an interrupt: the lock ends with the file
            file.close()
            raise
        return appended, loaded

    @property
    def closed(self) -> bool:
        return self._file.closed

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from an offset, fewer at the end of the file."""
        return os.pread(self._file.fileno(), length, start)

    def append(self, data: bytes) -> None:
        """Return once the data is on disk. Raises OutputUnwritableError, after which the file is as before.

        If the disk does not allow even that, the file is closed: later data would follow a torn part.
        """
        if self._file.closed:
            raise OutputUnwritableError(f"{self.path} is closed, or an earlier write failed", "open it again")
        try:
            written = self._file.write(data)
            if written != len(data):
                raise OSError(f"took {written} of {len(data)} bytes")
            os.fsync(self._file)
        except OSError as error:
            self.cut(self.end)
            raise unwritable(self.path, error) from error
        self.end += len(data)

    def cut(self, end: int) -> None:
        """Remove all bytes from an offset on, durably; raises OutputUnwritableError and closes the file if it fails."""
        try:
            self._file.truncate(end)
            os.fsync(self._file)
        except OSError as error:
            self._file.close()
            raise unwritable(self.path, error) from error
        self.end = end

    def close(self) -> None:
        self._file.close()


def unwritable(path: Path, error: OSError) -> OutputUnwritableError:
    """Return the error of a write that failed."""
    return OutputUnwritableError(f"{path} cannot be written: {error.strerror or error}", "make room, then try again")


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
