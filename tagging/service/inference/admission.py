"""Admission control: a limit on the videos in progress, and fair bounded queues, one per client, for the others.

Turns go round robin over the clients, so a client with a thousand waiting videos delays another client's first video by
one turn. The room to wait is shared the same way: when it is full, the client that fills most of it loses its latest
video to a client that fills less.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tagging.errors import DeadlineExceededError, MediaTooBigError, OverloadedError
from tagging.service.config import AdmissionConfig

HINT = "send less at once, and try again later"
SHORTEST_S, LONGEST_S = 0.1, 60.0  # limits of the retry delay that a client is given
FIRST_S = 1.0  # assumed duration of a video until one was measured
SMOOTHING = 1 / 16  # weight of the latest video in the average duration


@dataclass(slots=True, eq=False)
class _Waiter:
    """A video that waits for its turn."""

    size: int  # bytes
    turn: asyncio.Future[None]


@dataclass(slots=True)
class _Queue:
    """The waiting videos of one client, in their order of arrival."""

    waiters: OrderedDict[_Waiter, None] = field(default_factory=OrderedDict)
    size: int = 0  # bytes


class Admission:
    """Admits videos. Belongs to one event loop and uses its clock."""

    def __init__(self, config: AdmissionConfig) -> None:
        self._config = config
        self._in_progress = 0
        self._in_progress_bytes = 0
        self._queues: OrderedDict[str, _Queue] = OrderedDict()  # none is empty; the first one is served next
        self._waiting = 0
        self._waiting_bytes = 0
        self._video_s = FIRST_S

    @property
    def waiting(self) -> int:
        """The number of videos that wait."""
        return self._waiting

    @asynccontextmanager
    async def admit(self, client: str, size: int, deadline: float | None) -> AsyncIterator[None]:
        """Wait for the client's turn; the video counts as in progress while the context lasts.

        size: bytes of content; deadline: in seconds of the loop's clock, None: wait as long as necessary
        Raises OverloadedError at once when too many videos wait, or later when the room to wait goes to a client that
        uses less of it; DeadlineExceededError when the turn does not come in time; MediaTooBigError when it never
        would.
        """
        loop = asyncio.get_running_loop()
        if size > self._config.content_bytes:
            raise MediaTooBigError(f"{size} bytes of content, expected at most {self._config.content_bytes}")
        if deadline is not None and deadline <= loop.time():
            raise _expired()
        if self._queues or not self._fits(size):
            await self._wait(client, size, deadline)
        else:
            self._enter(size)
        entered = loop.time()
        try:
            yield
        finally:
            self._video_s += SMOOTHING * (loop.time() - entered - self._video_s)
            self._leave(size)

    async def _wait(self, client: str, size: int, deadline: float | None) -> None:
        """Return when the video is in progress."""
        self._make_room(client, size)
        waiter = _Waiter(size, asyncio.get_running_loop().create_future())
        queue = self._queues.setdefault(client, _Queue())
        queue.waiters[waiter] = None
        queue.size += size
        self._waiting += 1
        self._waiting_bytes += size
        try:
            async with asyncio.timeout_at(deadline):
                await waiter.turn
        except BaseException as error:
            if waiter in queue.waiters:
                self._drop(client, waiter)
                self._admit_next()  # it may have blocked smaller ones by being first and too big for the free room
            elif _was_admitted(waiter):
                self._leave(size)  # admitted and cancelled in the same iteration of the loop
            if isinstance(error, TimeoutError):
                raise _expired() from None
            raise

    def _make_room(self, client: str, size: int) -> None:
        """Drop videos of the clients that use most of the room to wait until this one fits.

        Raises OverloadedError if no other client uses more of it than this client would.
        """
        own = self._queues.get(client, _Queue())
        own_share = self._share(len(own.waiters) + 1, own.size + size)
        while not self._may_wait(size):
            greediest = max(self._queues, key=lambda name: self._share_of(self._queues[name]), default=None)
            if greediest is None or self._share_of(self._queues[greediest]) <= own_share or own_share > 1:
                raise self._overloaded()
            loser = next(reversed(self._queues[greediest].waiters))
            self._drop(greediest, loser)
            if not loser.turn.cancelled():
                loser.turn.set_exception(self._overloaded())

    def _may_wait(self, size: int) -> bool:
        return self._waiting < self._config.waiting and self._waiting_bytes + size <= self._config.waiting_bytes

    def _share_of(self, queue: _Queue) -> float:
        return self._share(len(queue.waiters), queue.size)

    def _share(self, waiting: int, size: int) -> float:
        """The share of the room to wait, by number or by bytes, whichever is larger; above 1: more than there is."""
        return max(waiting / max(self._config.waiting, 1e-9), size / max(self._config.waiting_bytes, 1e-9))

    def _overloaded(self) -> OverloadedError:
        """The error, with the estimated time until the videos that wait now are done as its retry delay."""
        wait_s = (self._waiting + 1) * self._video_s / max(self._in_progress, 1)
        message = f"{self._in_progress} videos are in progress, and {self._waiting} wait"
        return OverloadedError(message, HINT, min(max(wait_s, SHORTEST_S), LONGEST_S))

    def _admit_next(self) -> None:
        """Give turns while the first in turn fits; a big video blocks smaller ones, or it might never get a turn."""
        while self._queues:
            client, queue = next(iter(self._queues.items()))
            waiter = next(iter(queue.waiters))
            if not self._fits(waiter.size):
                return
            self._queues.move_to_end(client)
            self._drop(client, waiter)
            if not waiter.turn.cancelled():  # cancelled: its task was, and has not run since
                self._enter(waiter.size)
                waiter.turn.set_result(None)

    def _drop(self, client: str, waiter: _Waiter) -> None:
        queue = self._queues[client]
        del queue.waiters[waiter]
        queue.size -= waiter.size
        self._waiting -= 1
        self._waiting_bytes -= waiter.size
        if not queue.waiters:
            del self._queues[client]

    def _fits(self, size: int) -> bool:
        return self._in_progress < self._config.videos and self._in_progress_bytes + size <= self._config.content_bytes

    def _enter(self, size: int) -> None:
        self._in_progress += 1
        self._in_progress_bytes += size

    def _leave(self, size: int) -> None:
        self._in_progress -= 1
        self._in_progress_bytes -= size
        self._admit_next()


def _was_admitted(waiter: _Waiter) -> bool:
    return waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None


def _expired() -> DeadlineExceededError:
    return DeadlineExceededError("the deadline passed while the video waited for its turn", "give more time")
