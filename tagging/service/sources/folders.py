"""Allow-listed folders: opens a file that is certainly inside one, even if symbolic links change at the same time.

Links are resolved first, and allowed as long as they lead to an allowed folder. The resolved path is then opened part
by part, from the root, and no part may be a link: a change in between is refused, not followed. A hard link cannot be
distinguished from any other file; users who may create one in an allowed folder decide what is in it.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO

from tagging.errors import MediaNotFoundError, SourceNotAllowedError
from tagging.messages import shown

NOT_ALLOWED = "is not in a folder that this service may read"


class AllowedFolders:
    """The folders of `SourcesConfig.folders`, resolved when the service starts."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._given = tuple(folders)
        # Resolved once: a link that replaces an allowed folder later must not move it.
        self._real = tuple(os.path.realpath(folder) for folder in folders)  # Path.resolve raises on link loops

    def open(self, path: str) -> IO[bytes]:
        """Open a regular file for reading. Raises SourceNotAllowedError and MediaNotFoundError.

        The error for a path outside does not reveal whether it exists.
        """
        if not any(_is_below(path, folder) for folder in self._given + self._real) or ".." in path.split("/"):
            raise SourceNotAllowedError(f"{shown(path)} {NOT_ALLOWED}")
        try:
            real = os.path.realpath(path)
            if not any(_is_below(real, folder) for folder in self._real):
                raise SourceNotAllowedError(f"{shown(path)} {NOT_ALLOWED}")
            return _open_without_links(real)
        except OSError as error:
            raise MediaNotFoundError(f"cannot read {shown(path)}: {error.strerror}") from error
        except ValueError as error:  # a NUL, or a character that the file system cannot encode
            raise MediaNotFoundError(f"{shown(path)} is not a valid file name") from error


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _open_without_links(path: str) -> IO[bytes]:
    """Open a path without following links. Raises OSError."""
    with ExitStack() as closing:
        parent = _open_part("/", os.O_DIRECTORY, None, closing)
        *folders, name = path.removeprefix("/").split("/")
        for folder in folders:
            parent = _open_part(folder, os.O_DIRECTORY, parent, closing)
        file = _open_part(name, 0, parent, closing)
        if not stat.S_ISREG(os.fstat(file).st_mode):  # a folder, link, pipe, socket or device
            raise OSError(0, "not a regular file")
        return open(f"/proc/self/fd/{file}", "rb", buffering=0)  # noqa: PTH123 (of this inode, whatever its name)


def _open_part(name: str, kind: int, folder: int | None, closing: ExitStack) -> int:
    # O_PATH does not open the file itself: a device has no side effect, and a pipe does not wait for its other end.
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=folder)
    closing.callback(os.close, descriptor)
    return descriptor
