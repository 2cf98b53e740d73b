"""Reloading of Triton models whose process has died.

Triton does not restart the process of a model in Python, and still calls the model ready; only a real inference finds
it. `load_model` alone does nothing, as no file has changed: the model must be unloaded before.
"""

import logging
import threading
import time

from tagging.features.triton.connection import Connection

logger = logging.getLogger(__name__)

UNLOAD_S = 15.0
LOAD_S = 120.0
RELOAD_HINT = "look at Triton's log; with --model-control-mode=explicit, dead models are reloaded"


class Reloader:
    """Reloads models one at a time. Thread-safe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._reloaded_s: dict[str, float] = {}  # model -> time.monotonic of its last reload
        self.reloads = 0

    def reload(self, model: str, failed_s: float) -> bool:
        """Reload a model unless that was done since `failed_s`, when the failed call began; return whether it works.

        failed_s: of time.monotonic
        """
        from tritonclient.utils import InferenceServerException

        with self._lock:
            if self._reloaded_s.get(model, -1.0) >= failed_s:
                return True
            logger.error("a model of Triton has died and is reloaded", extra={"model": model})
            began_s = time.monotonic()
            try:
                self._unload(model)
                self._connection.server.load_model(model, client_timeout=LOAD_S)
            except InferenceServerException as error:
                logger.error("a model of Triton cannot be reloaded: %s", error.message(), extra={"model": model})
                return False
            self._reloaded_s[model] = time.monotonic()
            self.reloads += 1
            seconds = round(time.monotonic() - began_s, 3)
            logger.warning("a model of Triton was reloaded", extra={"model": model, "seconds": seconds})
            return True

    def _unload(self, model: str) -> None:
        """Unload a model and wait until that is done: `load_model` of one that is being unloaded does nothing."""
        server = self._connection.server
        server.unload_model(model, client_timeout=UNLOAD_S)
        until_s = time.monotonic() + UNLOAD_S
        while server.is_model_ready(model, client_timeout=UNLOAD_S) and time.monotonic() < until_s:
            time.sleep(0.02)
