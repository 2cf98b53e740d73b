"""The current call's deadline and cancellation, coroutines that run to completion even if the caller is cancelled, and
thread pools that never keep work that they refuse.

Work that threads do for calls gets both by running in a context that has them: requests to other servers then end with
the call that needs them.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tagging.errors import DeadlineExceededError

T = TypeVar("T")

_deadline_s: ContextVar[float | None] = ContextVar("deadline", default=None)  # of time.monotonic


def set_deadline(time_left_s: float | None) -> None:
    """Set the deadline of this task and the tasks that it starts; None: no deadline."""
    _deadline_s.set(None if time_left_s is None else time.monotonic() + time_left_s)


def time_left_s() -> float | None:
    """The seconds until the deadline, at least 0; None without a deadline."""
    deadline_s = _deadline_s.get()
    return None if deadline_s is None else max(0.0, deadline_s - time.monotonic())


class Cancellation:
    """Ends work in other threads whose callers are gone. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._callbacks: dict[object, Callable[[], object]] = {}

    @property
    def is_cancelled(self) -> bool:
        return self._is_cancelled

    def cancel(self) -> None:
        """Call the callbacks of the work in progress; work that begins later is cancelled at once."""
        with self._lock:
            self._is_cancelled = True
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Let `cancel` call the callback while the context lasts; call it now if the work is cancelled already."""
        key = object()
        with self._lock:
            self._callbacks[key] = callback
            is_cancelled = self._is_cancelled
        try:
            if is_cancelled:
                callback()
            yield
        finally:
            with self._lock:
                del self._callbacks[key]


_cancellation: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def set_cancellation(cancellation: Cancellation | None) -> None:
    """Set what cancels the work of this context; None: nothing does."""
    _cancellation.set(cancellation)


def cancellation() -> Cancellation | None:
    """The cancellation of this context; None: its work cannot be cancelled."""
    return _cancellation.get()


def check_cancellation() -> None:
    """Raise DeadlineExceededError if the work of this context is cancelled. Long work calls it between its steps."""
    current = cancellation()
    if current is not None and current.is_cancelled:
        raise DeadlineExceededError("the callers were gone before the work ended")


@asynccontextmanager
async def eager(work: Callable[[], Coroutine[Any, Any, T]]) -> AsyncIterator[Awaitable[T]]:
    """Run a coroutine function as a task while the context lasts; yields its result, to be awaited or not.

    The task has begun, up to its first wait, before the code of the context does.
    """
    task = asyncio.create_task(work())
    try:
        await asyncio.sleep(0)
        yield task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio logs that it never was


@asynccontextmanager
async def lazy(work: Callable[[], Coroutine[Any, Any, T]]) -> AsyncIterator[Awaitable[T]]:
    """Yield the result of a coroutine function, which runs only if it is awaited."""
    yield _Lazy(work)


@dataclass(frozen=True, slots=True)
class _Lazy(Generic[T]):
    work: Callable[[], Coroutine[Any, Any, T]]

    def __await__(self) -> Generator[Any, None, T]:
        return self.work().__await__()


class BackgroundTasks:
    """Background tasks of one event loop that cancellation of their caller does not stop.

    Call `wait_all` before anything that the tasks use is closed.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()  # asyncio itself holds tasks weakly

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return or raise what `work` does. A cancelled caller gets CancelledError at once; the work continues."""
        return await asyncio.shield(self.start(work))

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start a task without a deadline. Do not cancel it: shield it when awaiting it."""
        context = copy_context()
        context.run(set_deadline, None)
        task = asyncio.create_task(work, context=context)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def wait_all(self, within_s: float | None = None) -> None:
        """Wait until every task has ended; cancel those that take longer than `within_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._running:
                    await asyncio.wait(self._running)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio logs that it never was


def started_threads(number: int, name: str, initializer: Callable[[], object] | None = None) -> ThreadPoolExecutor:
    """Return a pool of threads that have all been started. Raises RuntimeError if the system starts no further one.

    ThreadPoolExecutor starts a thread after it has put work into its queue. When the system refuses the thread, the
    caller gets an error, but the work stays in the queue and runs later.
    """
    pool = ThreadPoolExecutor(number, name, initializer)
    started = threading.Barrier(number + 1)
    try:
        for _ in range(number):
            pool.submit(started.wait)
    except RuntimeError:
        started.abort()
        pool.shutdown(cancel_futures=True)
        raise
    started.wait()
    return pool
