"""A file that only grows: what `append` has returned from is there again after a kill or a power cut.

A record is its payload after a header: magic, length of the payload, CRC-32 of the payload, CRC-32 of the header so
far; numbers are little-endian. A writer that is killed leaves at most one torn record, at the end, which nobody was
told of: it is cut off. Damage that an intact record follows is something else, and an error.
"""

import os
import struct
import zlib
from pathlib import Path

from tagging.errors import ArtifactCorruptError

MAGIC = b"VTJ1"
HEADER = struct.Struct("<4sIII")
COVERED = struct.Struct("<4sII")  # what the header's own checksum covers


class Journal:
    """An open journal; one writer at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def append(self, payload: bytes) -> None:
        """Returns once the payload is on the disk. After an OSError the journal takes no more: open it again."""
        if self._file.closed:
            raise OSError(f"{self._path} is closed, or an earlier write failed: open the index again")
        covered = COVERED.pack(MAGIC, len(payload), zlib.crc32(payload))
        record = covered + struct.pack("<I", zlib.crc32(covered)) + payload
        try:
            written = self._file.write(record)
            if written != len(record):
                raise OSError(f"{self._path} took {written} of {len(record)} bytes")
            os.fsync(self._file.fileno())
        except OSError:
            self._file.close()  # what stands behind a torn record would be lost with it
            raise

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> tuple[list[bytes], int]:
    """The payloads of all records in their order, and how many bytes of a torn last one were cut off the file.

    Raises ArtifactCorruptError where an intact record stands behind a damaged one, or none at all is intact.
    """
    data = path.read_bytes()
    payloads: list[bytes] = []
    end = 0
    while (payload := _payload_at(data, end)) is not None:
        payloads.append(payload)
        end += HEADER.size + len(payload)
    if not payloads or _intact_behind(data, end):
        raise ArtifactCorruptError(
            f"{path}: record {len(payloads) + 1} at byte {end} of {len(data)} is damaged, and not as a kill leaves it",
            "restore the file from a backup; without one, remove its folder and add the rows again",
        )
    if end < len(data):
        with path.open("rb+") as file:
            file.truncate(end)
            os.fsync(file.fileno())
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
