"""How much is worked on at once: what comes on top of it waits its turn, in a queue for each client.

Turns go round the clients, so one with a thousand videos waiting delays another's first by one turn. Room to wait is
shared alike: when it is full, whoever fills most of it loses its latest to one that fills less.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tagging.errors import DeadlineExceededError, MediaTooBigError, OverloadedError
from tagging.service.config import AdmissionConfig

HINT = "send less at once, and try again later"
SHORTEST_S, LONGEST_S = 0.1, 60.0  # that a client is told to wait
FIRST_S = 1.0  # taken for the time a video takes until one was measured
SMOOTHING = 1 / 16  # weight of the latest video in that time


@dataclass(slots=True, eq=False)
class _Waiter:
    size: int
    turn: asyncio.Future[None]


@dataclass(slots=True)
class _Queue:
    """What one client has waiting, the first to come first."""

    waiters: OrderedDict[_Waiter, None] = field(default_factory=OrderedDict)
    size: int = 0  # bytes


class Admission:
    """Admits videos. Lives on one event loop, whose clock it goes by."""

    def __init__(self, config: AdmissionConfig) -> None:
        self._config = config
        self._inside = 0
        self._inside_bytes = 0
        self._queues: OrderedDict[str, _Queue] = OrderedDict()  # none is empty; the first is served next
        self._waiting = 0
        self._waiting_bytes = 0
        self._video_s = FIRST_S

    @property
    def inside(self) -> int:
        """Videos that are worked on."""
        return self._inside

    @property
    def waiting(self) -> int:
        """Videos that wait."""
        return self._waiting

    @asynccontextmanager
    async def admit(self, client: str, size: int, deadline: float | None) -> AsyncIterator[None]:
        """Waits for the client's turn, and holds a place within.

        size: bytes of content; deadline: in seconds of the loop's clock, None: waits as long as it takes
        Raises OverloadedError at once when too many wait, or later, when others need the room to wait more;
        DeadlineExceededError when the turn does not come in time; MediaTooBigError when it never would.
        """
        loop = asyncio.get_running_loop()
        if size > self._config.content_bytes:
            raise MediaTooBigError(f"{size} bytes of content, at most {self._config.content_bytes} are worked on")
        if deadline is not None and deadline <= loop.time():
            raise _late()
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
        """Returns with a place within."""
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
                self._admit_next()  # it may have been first and too big for the room that there is; others are not
            elif _was_admitted(waiter):
                self._leave(size)  # its turn came together with its end
            if isinstance(error, TimeoutError):
                raise _late() from None
            raise

    def _make_room(self, client: str, size: int) -> None:
        """Raises OverloadedError if the client has its share of those that wait."""
        own = self._queues.get(client, _Queue())
        mine = self._share(len(own.waiters) + 1, own.size + size)
        while not self._may_wait(size):
            greediest = max(self._queues, key=lambda name: self._share_of(self._queues[name]), default=None)
            if greediest is None or self._share_of(self._queues[greediest]) <= mine or mine > 1:
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
        """Of the room to wait, by number or bytes, whichever is more; above 1: more than there is."""
        return max(waiting / max(self._config.waiting, 1e-9), size / max(self._config.waiting_bytes, 1e-9))

    def _overloaded(self) -> OverloadedError:
        """With the time after which those that wait now have had their turn, as fast as it goes now."""
        wait_s = (self._waiting + 1) * self._video_s / max(self._inside, 1)
        told = f"{self._inside} videos are worked on, and {self._waiting} wait"
        return OverloadedError(told, HINT, min(max(wait_s, SHORTEST_S), LONGEST_S))

    def _admit_next(self) -> None:
        """Gives turns as long as the first in turn fits; one that is big is waited for, or it would wait for ever."""
        while self._queues:
            client, queue = next(iter(self._queues.items()))
            waiter = next(iter(queue.waiters))
            if not self._fits(waiter.size):
                return
            self._queues.move_to_end(client)
            self._drop(client, waiter)
            if not waiter.turn.cancelled():  # its task was, and has not run since
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
        return self._inside < self._config.videos and self._inside_bytes + size <= self._config.content_bytes

    def _enter(self, size: int) -> None:
        self._inside += 1
        self._inside_bytes += size

    def _leave(self, size: int) -> None:
        self._inside -= 1
        self._inside_bytes -= size
        self._admit_next()


def _was_admitted(waiter: _Waiter) -> bool:
    return waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None


def _late() -> DeadlineExceededError:
    return DeadlineExceededError("the deadline passed while the video waited for its turn", "give more time")
