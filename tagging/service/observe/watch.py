"""Whether the service has what it cannot work without, asked again and again: the database, working decoders.

One failure is none: it has to fail for so long, and to be well again for so long, or a flapping database would send
all traffic to and fro.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from tagging.service.config import HealthConfig
from tagging.service.observe.health import Health

Check = Callable[[], Awaitable[bool]]

logger = logging.getLogger(__name__)


class Hysteresis:
    """One thing's state, with hysteresis: it begins as there, and changes where every observation says so for long."""

    def __init__(self, away_after_s: float, back_after_s: float) -> None:
        self._after_s = {False: away_after_s, True: back_after_s}  # by what is observed
        self.there = True
        self._since_s: float | None = None  # when what is observed began to differ from what is said

    def observe(self, there: bool, now_s: float) -> bool:
        """What to say of it at that time, by a clock that does not go back."""
        if there == self.there:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        if self._since_s is not None and now_s - self._since_s >= self._after_s[there]:
            self.there, self._since_s = there, None
        return self.there


async def watch(
    checks: Mapping[str, Check],
    health: Health,
    config: HealthConfig,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> NoReturn:
    """A task for as long as the service lives. checks: of each thing by name, whether it works now.

    A check that raises or takes longer than `config.check_timeout_s` says no.
    """
    states = {name: Hysteresis(config.away_after_s, config.back_after_s) for name in checks}
    while True:
        found = await asyncio.gather(*(_works(name, check, config.check_timeout_s) for name, check in checks.items()))
        now_s = clock()
        health.set_missing(
            frozenset(
                name for (name, state), works in zip(states.items(), found, strict=True)
                if not state.observe(works, now_s)
            )
        )  # fmt: skip
        await sleep(config.check_every_s)


async def _works(name: str, check: Check, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            works = await check()
    except Exception as error:
        logger.warning("a check failed", extra={"check": name, "reason": type(error).__name__})
        return False
    if not works:
        logger.warning("a check failed", extra={"check": name})
    return works
