"""Health checks of essential dependencies, such as the database, repeated while the service runs.

State changes have hysteresis: a check has to fail, and to succeed again, for some time, because a flapping database
would move all traffic back and forth.
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
    """State of one dependency: starts as there, and changes when all observations of a period differ from it."""

    def __init__(self, away_after_s: float, back_after_s: float) -> None:
        self._after_s = {False: away_after_s, True: back_after_s}  # by the observation
        self.there = True
        self._since_s: float | None = None  # time of the first observation that differs from `there`

    def observe(self, there: bool, now_s: float) -> bool:
        """Record an observation and return the state. now_s: of a monotonic clock"""
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
    """Run the checks until cancelled and report the result to `health`.

    checks: name of a dependency -> check that returns whether it works now. A check that raises, or takes longer than
    `config.check_timeout_s`, counts as failed.
    """
    states = {name: Hysteresis(config.away_after_s, config.back_after_s) for name in checks}
    while True:
        results = await asyncio.gather(*(_works(name, check, config.check_timeout_s) for name, check in checks.items()))
        now_s = clock()
        for (name, state), works in zip(states.items(), results, strict=True):
            health.set_working(name, state.observe(works, now_s))
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
