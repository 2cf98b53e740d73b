"""How long work tells how far it is; whoever starts the work decides where that shows."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]  # called with the number of units done since the last call


class Progress(Protocol):
    def track(self, what: str, total: int | None) -> AbstractContextManager[Advance]:
        """A named piece of work of `total` units (None: unknown)."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def track(self, what: str, total: int | None) -> Iterator[Advance]:
        yield lambda _: None
