"""Storage: files below one address, a folder or a bucket (s3://, gs://, abfs://), each written whole or not at all."""

import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from pyarrow import fs

from tagging.errors import ArtifactNotFoundError, InvalidConfigError, OutputUnwritableError
from tagging.files.addresses import REMOTE, is_remote, scheme_of
from tagging.files.atomic import atomic_file
from tagging.files.buckets import ObjectFile, find, reported
from tagging.messages import shown

STREAM_BYTES = 4 * 2**20  # of each request while a stream is read


def open_file(address: str) -> IO[bytes]:
    """Open a file or an object for random access.

    Raises OSError, which for an object is FileNotFoundError alone, and BackendUnavailableError.
    """
    return cast(IO[bytes], ObjectFile(address)) if is_remote(address) else Path(address).open("rb")


def open_stream(address: str) -> IO[bytes]:
    """Open a file or an object that is read from its start to its end. Raises the errors of `open_file`."""
    return io.BufferedReader(ObjectFile(address), STREAM_BYTES) if is_remote(address) else Path(address).open("rb")


class Storage:
    """Files below one address; names are relative, with / between folders. Workers open it again by its address."""

    def __init__(self, address: str) -> None:
        """Raises InvalidConfigError for an address that cannot be understood, and BackendUnavailableError."""
        self.address = address
        self._folder: Path | None = None
        if is_remote(address):
            self._fs, self._root = find(address)
            self._base = address.rstrip("/")
        elif scheme_of(address):
            raise InvalidConfigError(
                f"{shown(address)}: no such storage", f"give a folder, or {', '.join(f'{s}://' for s in REMOTE)}"
            )
        else:
            self._folder = Path(address).resolve()
            self._fs, self._root = fs.LocalFileSystem(), str(self._folder)
            self._base = str(self._folder)

    @property
    def folder(self) -> Path | None:
        """The folder of local storage; None for a bucket."""
        return self._folder

    def __str__(self) -> str:
        return shown(self.address)

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the files and folders in a folder, in order; none if it does not exist."""
        path = self._path(folder)
        # Google's file system lists a folder only if there is an object with its name, so its files are listed there.
        selector = fs.FileSelector(path, allow_not_found=True, recursive=self._fs.type_name == "gcs")
        with reported(self.address):
            found = [info.path.removeprefix(f"{path}/") for info in self._fs.get_file_info(selector)]
        return sorted({name.partition("/")[0] for name in found})

    def exists(self, name: str) -> bool:
        with reported(self.address):
            return bool(self._fs.get_file_info(self._path(name)).type == fs.FileType.File)

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises ArtifactNotFoundError if there is none."""
        with self.open(name) as file:
            return file.read()

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for random access, so that parquet reads only what is asked for."""
        try:
            with reported(self.address):
                file = open_file(f"{self._base}/{name}")
        except FileNotFoundError as error:
            raise ArtifactNotFoundError(f"no file {name} in {self}") from error
        with file:
            yield file

    def write(self, name: str, content: bytes) -> None:
        """Write a file, in place of an earlier one. Raises OutputUnwritableError, BackendUnavailableError."""
        if self._folder is not None:
            path = self._folder / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_file(path) as partial:
                    partial.write_bytes(content)
            except OSError as error:
                reason = error.strerror or str(error)
                raise OutputUnwritableError(f"{path} cannot be written: {reason}", "choose another place") from error
            return
        with reported(self.address):
            try:
                with self._fs.open_output_stream(self._path(name)) as stream:
                    stream.write(content)
            except FileNotFoundError as error:  # some clients say no more
                raise OSError("bucket does not exist") from error

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless it exists; return whether it was written.

        Exclusive in a local folder. Buckets have no such operation in common: of two writers at the same moment both
        may get True.
        """
        if self._folder is None:
            if self.exists(name):
                return False
            self.write(name, content)
            return True
        path = self._folder / name
        partial = path.with_name(f".{name}.partial-{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            os.link(partial, path)  # exclusive on network file systems, too, and never seen half written
        except FileExistsError:
            return False
        except OSError as error:
            raise OutputUnwritableError(
                f"{path} cannot be written: {error.strerror}", "choose another place"
            ) from error
        finally:
            partial.unlink(missing_ok=True)
        return True

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        with reported(self.address), suppress(FileNotFoundError):
            self._fs.delete_file(self._path(name))

    def remove_folder(self, name: str) -> None:
        """Remove a folder and its files if it exists."""
        path = self._path(name)
        with reported(self.address), suppress(FileNotFoundError):
            if self._fs.get_file_info(path).type != fs.FileType.NotFound:  # which not every file system reports
                self._fs.delete_dir(path)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")
