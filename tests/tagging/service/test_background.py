"""Background loops end with the service."""

import asyncio
from typing import Any

import pytest

from tagging.service import background

pytestmark = pytest.mark.anyio


async def test_following_that_waits_for_a_server_that_is_away_does_not_keep_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stuck:
        def __init__(self) -> None:
            self.begun = asyncio.Event()
            self.cancelled = False

        async def follow(self) -> None:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise

    monkeypatch.setattr(background, "FINISH_S", 0.01)
    bundles: Any = Stuck()
    metrics: Any = None  # nothing fails
    async with asyncio.timeout(60):
        async with background.following(bundles, metrics, 0.001):
            await bundles.begun.wait()
    assert bundles.cancelled
