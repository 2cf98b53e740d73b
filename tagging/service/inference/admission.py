"""Admission control: a limit on the requests in progress, and fair bounded queues, one per client, for the others.

A request is a video to tag, or a call of a service of one model. Turns go round robin over the clients, so a client
with a thousand waiting requests delays another client's first one by one turn. The room to wait is shared the same way:
when it is full, the client that fills most of it loses its latest request to a client that fills less.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tagging.errors import DeadlineExceededError, MediaTooBigError, OverloadedError
from tagging.service.config import MediaAdmissionConfig, ModelServiceConfig, TextAdmissionConfig

HINT = "send less at once, and try again later"
SHORTEST_S, LONGEST_S = 0.1, 60.0  # limits of the retry delay that a client is given
FIRST_S = 1.0  # assumed duration of a request until one was measured
SMOOTHING = 1 / 16  # weight of the latest request in the average duration


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Limits on the requests in progress and in the queue."""

    unit: str  # what they are, for messages: "videos"
    in_progress: int
    bytes_in_progress: int
    waiting: int
    waiting_bytes: int


def limits_on_media(config: MediaAdmissionConfig) -> AdmissionLimits:
    return AdmissionLimits("videos", config.videos, config.content_bytes, config.waiting, config.waiting_bytes)


def limits_on_texts(config: TextAdmissionConfig) -> AdmissionLimits:
    """Return the limits on videos without media, which have no bytes of content."""
    return AdmissionLimits("videos without media", config.videos, 0, config.waiting, 0)


def limits_on_calls(config: ModelServiceConfig) -> AdmissionLimits:
    """Return the limits on calls; the bytes in progress have none of their own, as gRPC limits each request."""
    calls = config.admission
    in_progress_bytes = calls.calls * config.listen.message_bytes
    return AdmissionLimits("calls", calls.calls, in_progress_bytes, calls.waiting, calls.waiting_bytes)


@dataclass(slots=True, eq=False)
class _Waiter:
    """A request that waits for its turn."""

    size: int  # bytes
    turn: asyncio.Future[None]


@dataclass(slots=True)
class _Queue:
    """The waiting requests of one client, in their order of arrival."""

    waiters: OrderedDict[_Waiter, None] = field(default_factory=OrderedDict)
    size: int = 0  # bytes


class Admission:
    """Admits requests. Belongs to one event loop and uses its clock."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._in_progress = 0
        self._in_progress_bytes = 0
        self._queues: OrderedDict[str, _Queue] = OrderedDict()  # none is empty; the first one is served next
        self._waiting = 0
        self._waiting_bytes = 0
        self._request_s = FIRST_S

    @property
    def waiting(self) -> int:
        """The number of requests that wait."""
        return self._waiting

    @asynccontextmanager
    async def admit(self, client: str, size: int, deadline: float | None) -> AsyncIterator[None]:
        """Wait for the client's turn; the request counts as in progress while the context lasts.

        size: in bytes; deadline: in seconds of the loop's clock, None: wait as long as necessary
        Raises OverloadedError at once when too many requests wait, or later when the room to wait goes to a client that
        uses less of it; DeadlineExceededError when the turn does not come in time; MediaTooBigError when it never
        would.
        """
        loop = asyncio.get_running_loop()
        if size > self._limits.bytes_in_progress:
            raise MediaTooBigError(f"{size} bytes of content, expected at most {self._limits.bytes_in_progress}")
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
            self._request_s += SMOOTHING * (loop.time() - entered - self._request_s)
            self._leave(size)

    async def _wait(self, client: str, size: int, deadline: float | None) -> None:
        """Return when the request is in progress."""
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
        """Drop requests of the clients that use most of the room to wait until this one fits.

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
        return self._waiting < self._limits.waiting and self._waiting_bytes + size <= self._limits.waiting_bytes

    def _share_of(self, queue: _Queue) -> float:
        return self._share(len(queue.waiters), queue.size)

    def _share(self, waiting: int, size: int) -> float:
        """The share of the room to wait, by number or by bytes, whichever is larger; above 1: more than there is."""
        return max(waiting / max(self._limits.waiting, 1e-9), size / max(self._limits.waiting_bytes, 1e-9))

    def _overloaded(self) -> OverloadedError:
        """The error, with the estimated time until the requests that wait now are done as its retry delay."""
        wait_s = (self._waiting + 1) * self._request_s / max(self._in_progress, 1)
        message = f"{self._in_progress} {self._limits.unit} are in progress, and {self._waiting} wait"
        return OverloadedError(message, HINT, min(max(wait_s, SHORTEST_S), LONGEST_S))

    def _admit_next(self) -> None:
        """Give turns while the first in turn fits; a big request blocks smaller ones, or it might never get a turn."""
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
        bytes_then = self._in_progress_bytes + size
        return self._in_progress < self._limits.in_progress and bytes_then <= self._limits.bytes_in_progress

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
    return DeadlineExceededError("the deadline passed while the request waited for its turn", "give more time")
