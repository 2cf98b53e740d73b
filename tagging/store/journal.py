"""A file that only grows: what `append` has returned from is there again after a kill or a power cut.

A record is its payload after a header: magic, length of the payload, CRC-32 of the payload, CRC-32 of the header so
far; numbers are little-endian. A writer that is killed leaves at most one torn record, at the end, which nobody was
told of: it is passed over, and cut off by the next writer. Damage that an intact record follows is something else, and
an error.
"""

import fcntl
import logging
import os
import struct
import zlib
from io import FileIO
from pathlib import Path

from tagging.errors import ArtifactCorruptError, ArtifactError, OutputUnwritableError

logger = logging.getLogger(__name__)

MAGIC = b"VTJ1"
HEADER = struct.Struct("<4sIII")
COVERED = struct.Struct("<4sII")  # the fields covered by the header's checksum


class Journal:
    """An open journal; one writer at a time."""

    def __init__(self, path: Path, file: FileIO) -> None:
        """For `open`."""
        self._path = path
        self._file = file

    @classmethod
    def open(cls, path: Path) -> tuple["Journal", list[bytes]]:
        """The journal, a new one where there is none, and the payloads that are in it.

        A torn last record is cut off with a warning. Raises ArtifactError where another process writes it,
        ArtifactCorruptError as `read_journal` does, OutputUnwritableError where it cannot be written.
        """
        try:
            file = FileIO(path, "ab+")
        except OSError as error:
            raise OutputUnwritableError(f"{path} cannot be written: {error.strerror}", "name another file") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            payloads, torn = read_journal(path)
            if torn:
                file.truncate(path.stat().st_size - torn)
                logger.warning("%s: the last record was torn, its %d bytes were cut off", path, torn)
            os.fsync(file)
            _sync_folder(path.parent)  # a new file's name is on the disk as well
        except BlockingIOError as error:
            file.close()
            raise ArtifactError(f"{path} is being written elsewhere", "one process at a time writes it") from error
        except OSError as error:
            file.close()
            raise OutputUnwritableError(f"{path} cannot be written: {error.strerror}", "look at its disk") from error
        except BaseException:
            file.close()
            raise
        return cls(path, file), payloads

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, payload: bytes) -> None:
        """Returns once the payload is on the disk; OutputUnwritableError otherwise, and then it takes no more."""
        if self._file.closed:
            raise OutputUnwritableError(f"{self._path} is closed, or an earlier write failed", "open it again")
        covered = COVERED.pack(MAGIC, len(payload), zlib.crc32(payload))
        record = covered + struct.pack("<I", zlib.crc32(covered)) + payload
        try:
            written = self._file.write(record)
            if written != len(record):
                raise OSError(f"took {written} of {len(record)} bytes")
            os.fsync(self._file)
        except OSError as error:
            self._file.close()  # records after a torn one would be lost with it
            raise OutputUnwritableError(
                f"{self._path} cannot be written: {error.strerror or error}", "make room, then open it again"
            ) from error

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> tuple[list[bytes], int]:
    """The payloads of all records in their order, and how many bytes of a torn last one follow.

    Raises ArtifactCorruptError if an intact record follows a damaged one, or for a file that is not a journal.
    """
    data = path.read_bytes()
    payloads: list[bytes] = []
    end = 0
    while (payload := _payload_at(data, end)) is not None:
        payloads.append(payload)
        end += HEADER.size + len(payload)
    if not payloads and not MAGIC.startswith(data[: len(MAGIC)]) and any(data):
        raise ArtifactCorruptError(f"{path} is no journal of videotag", "name another file")
    if _intact_behind(data, end):
        raise ArtifactCorruptError(
            f"{path}: record {len(payloads) + 1} at byte {end} of {len(data)} is damaged, and not as a kill leaves it",
            "restore the file from a backup",
        )
    return payloads, len(data) - end


def _intact_behind(data: bytes, start: int) -> bool:
    place = data.find(MAGIC, start + 1)
    while place >= 0:
        if _payload_at(data, place) is not None:
            return True
        place = data.find(MAGIC, place + 1)
    return False


def _payload_at(data: bytes, start: int) -> bytes | None:
    """The payload of the record that begins there; None where none does, or not all of it is there."""
    if len(data) < start + HEADER.size:
        return None
    magic, length, checksum, header_checksum = HEADER.unpack_from(data, start)
    if magic != MAGIC or header_checksum != zlib.crc32(data[start : start + COVERED.size]):
        return None
    payload = data[start + HEADER.size : start + HEADER.size + length]
    return payload if len(payload) == length and zlib.crc32(payload) == checksum else None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
