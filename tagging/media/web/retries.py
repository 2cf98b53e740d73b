"""Retries of transient HTTP failures: how long to wait before the next try (RFC 9110, section 10.2.3)."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Request timeout, too early, too many requests, and all faults of the server.
TRANSIENT_STATUSES = frozenset({408, 425, 429}) | frozenset(range(500, 600))


@dataclass(frozen=True, slots=True)
class Retries:
    """Capped exponential backoff with jitter: 1/2 to 1 times `first_s`, twice that, and so on up to `longest_s`."""

    generator: random.Random  # different in each process, so that clients do not retry in step
    tries: int = 5
    first_s: float = 1.0
    longest_s: float = 30.0

    def wait_s(self, tried: int, retry_after_s: float) -> float | None:
        """Return the seconds to wait after `tried` failures; None: give up.

        retry_after_s: the least, as the server asked for it
        """
        if tried >= self.tries:
            return None
        backoff_s = min(self.longest_s, self.first_s * 2.0 ** (tried - 1))
        return max(retry_after_s, backoff_s * self.generator.uniform(0.5, 1.0))


def parse_retry_after(value: str, now: datetime) -> float:
    """Return the seconds of a Retry-After header, which is a number or an HTTP date; 0 for anything else."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())
