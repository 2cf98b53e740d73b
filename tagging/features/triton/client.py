"""Triton client: inference requests over one shared gRPC connection, with deadlines, cancellation and safe retries.

The deadline and the cancellation of the work that a request belongs to (tagging/concurrency.py) travel with it. The
models are pure functions, so a request is sent again if the server is away, is restarted, or its model has died and
was reloaded.

gRPC's own retries are off, because they neither know dead models nor the deadline of the work. The blocking client with
futures is used instead of `tritonclient.grpc.aio`: models run in a thread, and a second event loop in a process that
serves with grpc.aio shares its poller, which gRPC does not support well (grpc/grpc#25364).
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tagging import concurrency
from tagging.errors import (
    ArtifactMismatchError,
    BackendUnavailableError,
    DeadlineExceededError,
)
from tagging.features.networks.base import Arrays
from tagging.features.triton.availability import Availability
from tagging.features.triton.connection import Connection
from tagging.features.triton.endpoint import CERTIFICATE_HINT, Endpoint, TritonTls
from tagging.features.triton.reload import RELOAD_HINT, Reloader

IN_FLIGHT = 16  # requests at once; without a limit their bodies can fill the memory
ATTEMPT_S = 60.0  # for one response: a server that hangs must not hold work without a deadline for ever
PATIENCE_S = 60.0  # for a server that is away, if the work has no deadline; a restart with warm-up takes half of that
CLOCK_S = 0.1  # a call that gRPC ends at the deadline may return a moment before it
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0  # between two attempts; doubled each time
HANDSHAKE_S = 2.0

# These say nothing about whether the model works; a short deadline passes in a healthy one, too.
_OF_THE_REQUEST = ("StatusCode.INVALID_ARGUMENT", "StatusCode.CANCELLED", "StatusCode.DEADLINE_EXCEEDED")
_DEAD_STUB = re.compile(r"[Ss]tub process .* is not healthy")

T = TypeVar("T")

Outputs = Mapping[str, NDArray[np.float32] | None]  # by tensor name; None: the model has not returned it


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """The input of one call of a model, by tensor name; their first dimension is the batch."""

    model: str
    version: str
    inputs: Arrays
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.model} version {self.version}"


class TritonClient:
    """A connection to a Triton Inference Server; one for the process, thread-safe. A context manager."""

    def __init__(self, url: str, tls: TritonTls | None = None, in_flight: int = IN_FLIGHT) -> None:
        """url: grpc://HOST:PORT, or grpcs://HOST:PORT with `tls`

        Connects with the first request. Raises what Endpoint.of and Connection raise.
        """
        self._connection = Connection(Endpoint.of(url, tls))
        from tritonclient import grpc as triton  # Connection has reported it if it is missing

        self.url = url
        self.availability = Availability()
        self._triton: Any = triton
        self._reloader = Reloader(self._connection)
        self._slots = threading.BoundedSemaphore(in_flight)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @property
    def reloads(self) -> int:
        """Number of models that were dead and were reloaded."""
        return self._reloader.reloads

    def infer(self, requests: Sequence[Request]) -> list[Outputs]:
        """Send the requests together and return the outputs of each.

        Raises DeadlineExceededError, BackendUnavailableError for a server or model that fails, ArtifactMismatchError
        for one that does not fit the request, CancelledError if the work was cancelled.
        """
        began_s = time.monotonic()
        with ExitStack() as started:
            futures = [started.enter_context(self._sent(request)) for request in requests]
            pairs = zip(requests, futures, strict=True)
            return [self._result(request, future, began_s) for request, future in pairs]

    def model_config(self, model: str) -> Mapping[str, Any]:
        """Return the configuration of a loaded model, as JSON names it. Raises what `infer` raises."""

        def ask() -> Any:
            return self._connection.server.get_model_config(model, as_json=True, client_timeout=_attempt_s())

        config = self._repeated(model, model, ask, time.monotonic())["config"]
        assert isinstance(config, dict)
        return config

    def _result(self, request: Request, first: "Future[Outputs]", began_s: float) -> Outputs:
        future: Future[Outputs] | None = first

        def attempt() -> Outputs:
            nonlocal future
            if future is not None:
                sent, future = future, None
                return sent.result()
            with self._sent(request) as again:
                return again.result()

        return self._repeated(str(request), request.model, attempt, began_s)

    def _repeated(self, name: str, model: str, attempt: Callable[[], T], began_s: float) -> T:
        """Return the result of the attempt that succeeds, within the deadline of the work.

        began_s: of time.monotonic, when the first attempt was sent
        """
        left_s = concurrency.time_left_s()
        give_up_s = time.monotonic() + (PATIENCE_S if left_s is None else left_s)
        wait_s = FIRST_WAIT_S
        while True:
            try:
                result = attempt()
            except self._triton.InferenceServerException as error:
                why = str(error.message())
                is_dead = _DEAD_STUB.search(why) is not None
                is_away = not is_dead and error.status() == "StatusCode.UNAVAILABLE"
                is_renewed = is_away and self._connection.renew()
                refusal = self._refusal() if is_away and not is_renewed else None
                if error.status() not in _OF_THE_REQUEST:
                    self.availability.failed(model, refusal or why)
                if refusal is not None:
                    raise BackendUnavailableError(f"{self.url}: {refusal}", CERTIFICATE_HINT) from error
                if not (is_dead or is_away):
                    raise self._translated(name, error) from error
            else:
                self.availability.worked(model)
                return result
            is_mended = self._reloader.reload(model, began_s) if is_dead else is_renewed
            began_s = time.monotonic()
            if is_mended:
                continue
            pause_s = wait_s * random.uniform(0.5, 1.0)  # so that many clients do not come back together
            if time.monotonic() + pause_s >= give_up_s:
                raise BackendUnavailableError(f"{self.url}: {name} is away: {why}", RELOAD_HINT)
            _sleep(pause_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _refusal(self) -> str | None:
        """Return why the server or this client refuses the other's certificate, which gRPC seldom names; or None."""
        refusal = self._connection.endpoint.handshake_failure(min(HANDSHAKE_S, _attempt_s()))
        return None if refusal is None else f"the TLS handshake fails: {refusal}"

    @contextmanager
    def _sent(self, request: Request) -> "Iterator[Future[Outputs]]":
        """Send a request; the call is cancelled with the work, and at the end of the context."""
        future: Future[Outputs] = Future()
        if not self._slots.acquire(timeout=_attempt_s()):
            raise DeadlineExceededError(f"the deadline passed before Triton's {request} was called", "give more time")

        def finish(result: Any, error: Exception | None) -> None:
            self._slots.release()
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result({name: result.as_numpy(name) for name in request.outputs})

        try:
            tensors = [self._tensor(name, values) for name, values in request.inputs.items()]
            outputs = [self._triton.InferRequestedOutput(name) for name in request.outputs]
            call = self._connection.server.async_infer(
                request.model,
                tensors,
                finish,
                model_version=request.version,
                outputs=outputs,
                client_timeout=_attempt_s(),
            )
        except BaseException:  # also an interrupt: a slot that stays taken would be lost for ever
            self._slots.release()
            raise
        cancellation = concurrency.cancellation()
        with ExitStack() as registered:
            registered.callback(call.cancel)
            if cancellation is not None:
                registered.enter_context(cancellation.calling(call.cancel))
            yield future

    def _tensor(self, name: str, values: NDArray[Any]) -> Any:
        from tritonclient.utils import np_to_triton_dtype

        tensor = self._triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
        tensor.set_data_from_numpy(np.ascontiguousarray(values))
        return tensor

    def _translated(self, name: str, error: Any) -> Exception:
        """Return the error of videotag, or CancelledError, for a response that no repetition changes."""
        status, message = str(error.status()), str(error.message())
        if status == "StatusCode.CANCELLED":
            return CancelledError()
        if status == "StatusCode.DEADLINE_EXCEEDED":
            left_s = concurrency.time_left_s()
            if left_s is not None and left_s < CLOCK_S:
                return DeadlineExceededError(f"the deadline passed while Triton's {name} ran", "give more time")
            return BackendUnavailableError(f"{self.url}: no answer of {name} within {ATTEMPT_S:.0f} s", RELOAD_HINT)
        if status in ("StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND"):
            return ArtifactMismatchError(
                f"{self.url}: {name} does not fit this bundle: {message}",
                "export the bundle with `videotag triton export`, and load its models",
            )
        return BackendUnavailableError(f"{self.url}: {name} failed: {message}", "the log of Triton has the reason")


def _attempt_s() -> float:
    """The time for one attempt; 0 after the deadline, with which gRPC fails at once."""
    left_s = concurrency.time_left_s()
    return ATTEMPT_S if left_s is None else min(left_s, ATTEMPT_S)


def _sleep(seconds: float) -> None:
    """Wait; raises CancelledError as soon as the work is cancelled."""
    cancelled, cancellation = threading.Event(), concurrency.cancellation()
    if cancellation is None:
        time.sleep(seconds)
        return
    with cancellation.calling(cancelled.set):
        if cancelled.wait(seconds):
            raise CancelledError
