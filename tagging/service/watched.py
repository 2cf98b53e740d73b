"""A value that is read from files, and read again when they change."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from tagging.errors import InvalidConfigError

logger = logging.getLogger(__name__)

T = TypeVar("T")

Stamp = tuple[int, ...]


class Watched(Generic[T]):
    """What `read` makes of the files. Any thread may ask.

    read: raises InvalidConfigError, whose text goes to the log
    clock: seconds; `every_s` of them pass before the files are looked at again
    Raises what the first reading raises. When a later one fails, the log says so, and what was read before stays.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        clock: Callable[[], float] = time.monotonic,
        every_s: float = 1.0,
    ) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._clock = clock
        self._every_s = every_s
        self._lock = threading.Lock()
        self._stamps = self._look()  # before reading: what is written meanwhile is read next time
        self._looked_at = clock()
        self._value = read()

    def current(self) -> T:
        """The value of the last reading that succeeded."""
        with self._lock:
            if self._clock() - self._looked_at >= self._every_s:
                self._looked_at = self._clock()
                stamps = self._look()
                if stamps != self._stamps:
                    self._stamps = stamps
                    self._renew()
            return self._value

    def _renew(self) -> None:
        files = ", ".join(map(str, self._paths))
        try:
            self._value = self._read()
        except InvalidConfigError as error:
            logger.error("files were changed and cannot be used", extra={"files": files, "why": str(error)})
        else:
            logger.info("changed files were read", extra={"files": files})

    def _look(self) -> tuple[Stamp, ...]:
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> Stamp:
    """Differs when the file was written or replaced, also by one of the same size and time of change."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
