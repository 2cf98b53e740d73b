"""Unnamed temporary files for downloaded bytes: nothing stays on the disk, however the process ends."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tagging.errors import OutputUnwritableError


@contextmanager
def unnamed_file(name: str) -> Iterator[IO[bytes]]:
    """Open an empty unnamed file for a copy of `name`. Raises OutputUnwritableError."""
    try:
        # Unbuffered: closing would flush, and a full disk would be reported twice.
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise _unwritable(name, error) from error
    with file:
        yield file


def write(file: IO[bytes], part: bytes | bytearray, name: str) -> None:
    """Write all bytes of one part. Raises OutputUnwritableError."""
    left = memoryview(part)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise _unwritable(name, error) from error


def _unwritable(name: str, error: OSError) -> OutputUnwritableError:
    return OutputUnwritableError(f"no copy of {name} can be written: {error.strerror}", "free some space in $TMPDIR")
