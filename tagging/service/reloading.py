"""Reloading of configuration files when they change.

A file that is written in place may be seen half written. Half a list of clients may still be a valid list, which would
refuse valid clients; so a file is read only after it has been unchanged for a moment.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from tagging.errors import InvalidConfigError

logger = logging.getLogger(__name__)

T = TypeVar("T")

Stamp = tuple[int, ...]


class Reloading(Generic[T]):
    """A value read from files. Thread-safe.

    read: may raise InvalidConfigError, whose text is logged
    clock: seconds since 1970, like the times of files
    every_s: seconds between two looks at the files, and between the last change of a file and its reading
    Raises what the first reading raises. When a later one fails, it is logged, and the previous value stays.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        clock: Callable[[], float] = time.time,
        every_s: float = 1.0,
    ) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._clock = clock
        self._every_s = every_s
        self._lock = threading.Lock()
        self._stamps = self._look()  # before reading, so that a change during reading is read next time
        self._looked_at = clock()
        self._value = read()

    def current(self) -> T:
        """The value of the last reading that succeeded."""
        with self._lock:
            now = self._clock()
            if abs(now - self._looked_at) >= self._every_s:  # abs: the clock may be set back
                self._looked_at = now
                stamps = self._look()
                if stamps != self._stamps and self._is_settled(stamps, now):
                    self._stamps = stamps
                    self._reload()
            return self._value

    def _is_settled(self, stamps: Iterable[Stamp], now: float) -> bool:
        """Return whether no file was changed just now. Times in the future, of another clock, do not count."""
        return not any(0 <= now - changed_ns / 1e9 < self._every_s for _, changed_ns, *_ in filter(None, stamps))

    def _reload(self) -> None:
        files = ", ".join(map(str, self._paths))
        try:
            self._value = self._read()
        except InvalidConfigError as error:
            logger.error("changed files cannot be used", extra={"files": files, "why": str(error)})
        else:
            logger.info("changed files were read", extra={"files": files})

    def _look(self) -> tuple[Stamp, ...]:
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> Stamp:
    """Return a value that differs when the file was written or replaced, even by one of equal size and mtime."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
