"""Append-only journal file: a record is durable, also after a kill or a power cut, once `append` has returned.

A record is its payload after a header: magic, length of the payload, CRC-32 of the payload, CRC-32 of the header so
far; numbers are little-endian. A killed writer leaves at most one torn record, at the end, whose `append`
did not return: readers skip it, and the next writer truncates it. A damaged record before an intact one is an error.
"""

import logging
import struct
import zlib
from pathlib import Path

from tagging.errors import ArtifactCorruptError, ArtifactError
from tagging.files.appended import AppendedFile

logger = logging.getLogger(__name__)

MAGIC = b"VTJ1"
HEADER = struct.Struct("<4sIII")
COVERED = struct.Struct("<4sII")  # the fields covered by the header's checksum


class Journal:
    """An open journal; one writer at a time."""

    def __init__(self, file: AppendedFile) -> None:
        """Used by `open`."""
        self._file = file

    @classmethod
    def open(cls, path: Path) -> tuple["Journal", list[bytes]]:
        """Open or create a journal; return it with the payloads that it contains.

        A torn last record is truncated with a warning. Raises ArtifactError if another process has it open,
        ArtifactCorruptError as `read_journal` does, OutputUnwritableError if it cannot be written.
        """
        busy = ArtifactError(f"{path} is being written elsewhere", "one process at a time writes it")
        file, payloads = AppendedFile.open(path, busy, _load)
        return cls(file), payloads

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, payload: bytes) -> None:
        """Return once the payload is on disk. Raises OutputUnwritableError as `AppendedFile.append` does."""
        covered = COVERED.pack(MAGIC, len(payload), zlib.crc32(payload))
        self._file.append(covered + struct.pack("<I", zlib.crc32(covered)) + payload)

    def close(self) -> None:
        self._file.close()


def _load(file: AppendedFile) -> list[bytes]:
    payloads, torn = read_journal(file.path)
    if torn:
        file.cut(file.end - torn)
        logger.warning("%s: the last record was torn, its %d bytes were cut off", file.path, torn)
    return payloads


def read_journal(path: Path) -> tuple[list[bytes], int]:
    """Return the payloads of all records in order, and the number of bytes of a torn last one.

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
    candidate = data.find(MAGIC, start + 1)
    while candidate >= 0:
        if _payload_at(data, candidate) is not None:
            return True
        candidate = data.find(MAGIC, candidate + 1)
    return False


def _payload_at(data: bytes, start: int) -> bytes | None:
    """Return the payload of the record at this offset; None if there is no complete record."""
    if len(data) < start + HEADER.size:
        return None
    magic, length, checksum, header_checksum = HEADER.unpack_from(data, start)
    if magic != MAGIC or header_checksum != zlib.crc32(data[start : start + COVERED.size]):
        return None
    payload = data[start + HEADER.size : start + HEADER.size + length]
    return payload if len(payload) == length and zlib.crc32(payload) == checksum else None
