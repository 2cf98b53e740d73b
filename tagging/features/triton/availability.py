"""Availability of Triton's models: which of them fail now, as the calls and the health check find it."""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection

logger = logging.getLogger(__name__)

REASONS = 10  # that are logged of one model until it works again, as some quote the request

Listener = Callable[[frozenset[str]], None]


def _ignore(_: frozenset[str]) -> None:
    """Listen to nothing."""


class Availability:
    """The failing models. Thread-safe; changes are logged and given to the listener, in the thread of the call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since_s: dict[str, float] = {}  # model -> when it began to fail
        self._worked_s: dict[str, float] = {}  # model -> when it last worked, of time.monotonic
        self._reasons: dict[str, set[str]] = {}  # of the models that fail, those that were logged
        self.failures = 0  # responses that were failures of a server or a model, also those that were retried
        self.listener: Listener = _ignore

    @property
    def failing(self) -> frozenset[str]:
        """The models whose latest call failed."""
        with self._lock:
            return frozenset(self._since_s)

    def has_worked(self, model: str, within_s: float) -> bool:
        """Return whether a call of the model succeeded within the last seconds."""
        with self._lock:
            return time.monotonic() - self._worked_s.get(model, -math.inf) < within_s

    def forget_all_but(self, models: Collection[str]) -> None:
        """Forget failing models that are not used any more."""
        for model in self.failing.difference(models):
            self.worked(model)

    def failed(self, model: str, why: str) -> None:
        """Record that a call of the model failed; log why, once for each reason until it works again."""
        with self._lock:
            self.failures += 1
            is_new = model not in self._since_s
            self._since_s.setdefault(model, time.monotonic())
            reasons = self._reasons.setdefault(model, set())
            is_told = len(reasons) == REASONS or any(reason in why for reason in reasons)  # errors quote reasons
            if not is_told:
                reasons.add(why)
        if not is_told:
            logger.error("a model of Triton fails", extra={"model": model, "why": why})
        if is_new:
            self.listener(self.failing)

    def worked(self, model: str) -> None:
        """Record that a call of the model succeeded."""
        with self._lock:
            self._worked_s[model] = time.monotonic()
            since_s = self._since_s.pop(model, None)
            self._reasons.pop(model, None)
        if since_s is not None:
            away_s = round(time.monotonic() - since_s, 3)
            logger.warning("a model of Triton works again", extra={"model": model, "away_s": away_s})
            self.listener(self.failing)
