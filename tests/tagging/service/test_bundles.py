"""Callers that go away while bundles follow or are switched."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tagging.errors import ArtifactNotFoundError
from tagging.service.bundles import Bundles
from tagging.service.model import ModelThread
from tests.tagging.store.database.records import NOON

pytestmark = pytest.mark.anyio


class Empty:
    """A log without entries, whose reader waits until it may go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ended = 0

    async def all_after(self, number: int) -> Any:
        await self.go_on.wait()
        self.ended += 1
        for nothing in tuple[int, ...]():
            yield nothing

    async def after(self, number: int, limit: int) -> tuple[()]:
        return ()


async def test_a_switch_that_fails_when_its_caller_is_gone_is_not_told_as_a_forgotten_error() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    empty: Any = Empty()
    bundles = Bundles(None, ModelThread(), empty, empty, lambda: NOON)
    with pytest.raises(ArtifactNotFoundError):
        await bundles.activate("one", None)
    for wait in range(5):
        caller = asyncio.create_task(bundles.activate("one", None))
        for _ in range(wait):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
    await bundles.close()
    assert told == []


async def test_following_goes_on_when_its_caller_is_gone(tiny_starter: Path) -> None:
    empty: Any = Empty()
    bundles = Bundles(None, ModelThread(), empty, empty, lambda: NOON)
    empty.go_on.set()
    await bundles.start(tiny_starter)
    empty.go_on.clear()
    caller = asyncio.create_task(bundles.follow())
    await asyncio.sleep(0.01)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    before = empty.ended
    empty.go_on.set()
    await bundles.close()
    assert empty.ended == before + 1
