"""Manifest source: a file on this machine or an object in a bucket, opened as the formats need it."""

import errno
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO

from tagging.files.addresses import is_remote, label_of, resolve_next_to
from tagging.files.storage import open_file, open_stream


@dataclass(frozen=True, slots=True)
class ManifestSource:
    """The address of a manifest; as text it is free of credentials."""

    address: str

    def __str__(self) -> str:
        return label_of(self.address)

    @property
    def name(self) -> str:
        return PurePath(self.address).name

    @property
    def suffix(self) -> str:
        """The ending in lower case."""
        return PurePath(self.address).suffix.lower()

    def require(self) -> None:
        """Raise FileNotFoundError if there is nothing, and BackendUnavailableError; a pipe is not opened for that."""
        if is_remote(self.address):
            open_file(self.address).close()
        elif not Path(self.address).exists():
            raise FileNotFoundError(errno.ENOENT, "no such file", self.address)

    def can_be_counted(self) -> bool:
        """Return False for a pipe, whose content can be read once only."""
        return is_remote(self.address) or Path(self.address).is_file()

    def open_stream(self) -> IO[bytes]:
        """Open for reading from start to end. Raises OSError and BackendUnavailableError."""
        return open_stream(self.address)

    def open_file(self) -> IO[bytes]:
        """Open for random access. Raises OSError and BackendUnavailableError."""
        return open_file(self.address)

    def resolve(self, uri: str) -> str:
        """Return the address of a row's uri; a path is relative to the folder of the manifest."""
        return uri if "://" in uri else resolve_next_to(self.address, uri)
