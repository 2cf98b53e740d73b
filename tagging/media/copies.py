"""Files without a name, for bytes from elsewhere: whatever becomes of the process, nothing stays on the disk."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tagging.errors import OutputUnwritableError


@contextmanager
def unnamed_file(name: str) -> Iterator[IO[bytes]]:
    """Empty, for a copy of `name`. Raises OutputUnwritableError."""
    try:
        # Without a buffer: closing would write it, and a full disk would be told twice.
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise _unwritable(name, error) from error
    with file:
        yield file


def write(file: IO[bytes], part: bytes | bytearray, name: str) -> None:
    """All of a part of the copy. Raises OutputUnwritableError."""
    left = memoryview(part)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise _unwritable(name, error) from error


def _unwritable(name: str, error: OSError) -> OutputUnwritableError:
    return OutputUnwritableError(f"no copy of {name} can be written: {error.strerror}", "free some space in $TMPDIR")
