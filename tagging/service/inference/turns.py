"""Turns of calls: admission for as long as the work of a call lasts, also when its client is gone."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from google.protobuf.message import Message

from tagging.concurrency import BackgroundTasks
from tagging.service.clients.current import caller
from tagging.service.inference.admission import Admission

T = TypeVar("T")


class Turns:
    """Runs the work of calls in the turns of their clients."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._working = BackgroundTasks()

    async def run(self, request: Message, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for the caller's turn and return the result of the work.

        gRPC cancels a call whose client is gone or whose deadline passes, which ends its wait. A thread or a database
        transaction cannot be cancelled, so work that has begun keeps its turn to the end; otherwise, calls that are
        cancelled soon would make others wait without a limit.
        Raises what the work does, and OverloadedError when too many calls wait.
        """
        async with self._admission.admit(caller().name, request.ByteSize(), None):
            working = self._working.start(work())
            try:
                return await asyncio.shield(working)
            except asyncio.CancelledError:
                await asyncio.wait((working,))
                raise

    async def close(self, within_s: float) -> None:
        """Wait for the work of calls that were cancelled, and cancel what takes longer."""
        await self._working.wait_all(within_s)
