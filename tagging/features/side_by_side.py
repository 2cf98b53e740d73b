"""Independent pieces of encoding side by side, each on one core.

Inside a piece libraries use one thread. When they divide each operation among all cores instead, a video's encoders
still run one after the other, and every operation waits for its slowest thread: longer, where other programs run.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from types import TracebackType
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits

from tagging import concurrency
from tagging.concurrency import started_threads

T = TypeVar("T")


class Pieces:
    """`with Pieces() as pieces: futures = [pieces.start(…), …]`: all have ended when the block is left.

    A block that raises, as a result that it asks for may, cancels the pieces that have not begun. A piece has the
    deadline and the cancellation of its caller (tagging/concurrency.py), and starts no further pieces. One that would
    begin after the cancellation raises DeadlineExceededError instead: encoding a clip takes seconds.
    """

    def __init__(self) -> None:
        self._started: list[Future[Any]] = []

    def start(self, piece: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Run the piece as soon as a core is free, in the order of the calls."""
        future = _pool().submit(copy_context().run, _unless_cancelled, piece, *arguments)
        self._started.append(future)
        return future

    def __enter__(self) -> "Pieces":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            for future in self._started:
                future.cancel()
        wait(self._started)


def _unless_cancelled(piece: Callable[..., T], *arguments: Any) -> T:
    concurrency.check_cancellation()
    return piece(*arguments)


@cache
def at_once() -> int:
    """The number of pieces that run at once in this process: torch's threads, so OMP_NUM_THREADS or the cores."""
    return torch.get_num_threads()


@cache
def _pool() -> ThreadPoolExecutor:
    return started_threads(at_once(), "piece", _use_one_thread)


def _use_one_thread() -> None:
    """Limit OpenMP's libraries, among them torch, to one thread for work that this thread gives them."""
    torch.get_num_threads()  # sets a new thread's limit when it is first called
    threadpool_limits(1, user_api="openmp")
