"""Quotas: rate limits of unit client, as token buckets.

A call that costs more than its bucket can hold passes when the bucket is full, and leaves it in debt. So no call is
refused for ever, and over time no client gets more than its rate.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tagging.errors import QuotaExceededError
from tagging.service.clients.clients import Client
from tagging.service.config import QuotasConfig

ROUNDING = 1e-9  # tolerance as a share of the bucket, so that a client that waits exactly `retry_after_s` is admitted


@dataclass(slots=True)
class Bucket:
    """Token bucket: holds up to `depth`, and gains `rate` every second. Times are in seconds of any clock."""

    rate: float
    depth: float
    level: float  # below zero: in debt
    filled_at: float

    def fill(self, now: float) -> None:
        """Add what has accrued until `now`."""
        self.level = min(self.depth, self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now

    def wait_s(self, cost: float) -> float:
        """Return the seconds until the cost may be taken; 0.0: now."""
        short = min(cost, self.depth) - self.level
        return short / self.rate if short > ROUNDING * self.depth else 0.0


class Quotas:
    """Buckets of all clients. Belongs to one thread.

    clock: seconds, monotonic
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[QuotasConfig, Mapping[str, Bucket]]] = {}
        self._sweep_at = 64

    def take(self, client: Client, size: int) -> None:
        """Count a call of `size` bytes; raises QuotaExceededError, and counts nothing, if it exceeds the quota."""
        costs = _costs(size)
        buckets = self._filled(client)
        waits = {unit: bucket.wait_s(costs[unit]) for unit, bucket in buckets.items()}
        slowest = max(waits, key=waits.__getitem__, default=None)
        if slowest is not None and waits[slowest] > 0:
            raise QuotaExceededError(
                f"{client.name} is limited to {buckets[slowest].rate:g} {_UNITS[slowest]} per second",
                "slow down, or ask the operator for a higher quota",
                waits[slowest],
            )
        _pay(buckets, costs)

    def reserve(self, client: Client, size: int) -> float:
        """Count a message of a stream and return the seconds to wait before it is handled.

        It is counted at once, if necessary as debt, so that messages of many streams are handled one after another.
        """
        costs = _costs(size)
        buckets = self._filled(client)
        wait_s = max((bucket.wait_s(costs[unit]) for unit, bucket in buckets.items()), default=0.0)
        _pay(buckets, costs)
        return wait_s

    def used_media(self, client: Client, media_s: float) -> None:
        """Count the media of an admitted call. Debt delays later calls.

        Uses the quotas of the client's latest call: they may have changed since a stream began.
        """
        quotas, _ = self._buckets.get(client.name, (client.quotas, {}))
        _pay(self._filled(replace(client, quotas=quotas)), {"calls": 0.0, "bytes": 0.0, "media_s": media_s})

    def _filled(self, client: Client) -> Mapping[str, Bucket]:
        """Return the client's buckets, filled up to now."""
        now = self._clock()
        if len(self._buckets) >= self._sweep_at:
            self._sweep(now)
        limits, buckets = self._buckets.get(client.name, (None, {}))
        if limits != client.quotas:  # a new client, or changed quotas
            buckets = {
                unit: _bucket(unit, rate, client.quotas.burst_s, now) for unit, rate in _rates(client.quotas).items()
            }
            self._buckets[client.name] = client.quotas, buckets
        for bucket in buckets.values():
            bucket.fill(now)
        return buckets

    def _sweep(self, now: float) -> None:
        """Forget clients whose buckets are full, like those of a new client."""
        for name, (_, buckets) in list(self._buckets.items()):
            for bucket in buckets.values():
                bucket.fill(now)
            if all(bucket.level == bucket.depth for bucket in buckets.values()):
                del self._buckets[name]
        self._sweep_at = max(64, 2 * len(self._buckets))  # amortised: O(1) per call


_UNITS = {"calls": "calls", "bytes": "bytes", "media_s": "seconds of media"}


def _rates(quotas: QuotasConfig) -> dict[str, float]:
    rates = {"calls": quotas.calls_per_s, "bytes": quotas.bytes_per_s, "media_s": quotas.media_s_per_s}
    return {unit: rate for unit, rate in rates.items() if rate is not None}


def _bucket(unit: str, rate: float, burst_s: float, now: float) -> Bucket:
    depth = max(rate * burst_s, 1.0 if unit == "calls" else 0.0)
    return Bucket(rate, depth, depth, now)


def _costs(size: int) -> dict[str, float]:
    """Return the costs of one call; its media are counted when they are decoded."""
    return {"calls": 1.0, "bytes": float(size), "media_s": 0.0}


def _pay(buckets: Mapping[str, Bucket], costs: Mapping[str, float]) -> None:
    for unit, bucket in buckets.items():
        bucket.level -= costs[unit]
