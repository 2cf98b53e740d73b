"""One decode worker: a process of its own that answers one URI after another over a pipe.

It never outlives its parent: the pipe's end tells it, and on Linux the kernel kills it should it be busy.
"""

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from tagging.config import MediaConfig
from tagging.errors import DecodeCrashError, DecodeTimeoutError, VideotagError
from tagging.media.limits import timed_out
from tagging.media.source import open_source, shown
from tagging.types import MediaSample

Decoder = Callable[[Path, MediaConfig], MediaSample]

START_TIMEOUT_S = 60.0  # a new interpreter, on a busy machine
PR_SET_PDEATHSIG = 1


class PoolClosingError(Exception):
    """The wait was ended because the pool is being closed."""


class DecoderTracebackError(Exception):
    """The cause of an error that nobody foresaw: the traceback that it had in the decoder's process, as text."""


class Worker:
    """The parent's side. Any error that its methods raise leaves the worker fit only for `stop`."""

    def __init__(self, config: MediaConfig, decode: Decoder, grace_s: float) -> None:
        """Starts the process and does not wait for it."""
        self._timeout_s = config.decode_timeout_s
        self._limit_s = config.decode_timeout_s + grace_s
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, os.getpid(), config, decode)
        self._process = context.Process(target=_serve, args=arguments, name="videotag-decode", daemon=True)
        try:
            self._process.start()
        except BaseException:  # without a process there is no worker to stop, and nobody else to close it
            self._pipe.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def wait_until_ready(self, closing: Connection) -> None:
        """Raises DecodeCrashError and PoolClosingError."""
        try:
            self._hear(START_TIMEOUT_S, closing)
        except (TimeoutError, EOFError, OSError) as error:
            raise DecodeCrashError(
                f"no decode process could be started ({self._end()})",
                'a script that decodes needs `if __name__ == "__main__":` around its main part',
            ) from error

    def ask(self, uri: str, closing: Connection) -> MediaSample | VideotagError:
        """Raises DecodeTimeoutError, DecodeCrashError and PoolClosingError."""
        try:
            self._pipe.send(uri)
            answer = self._hear(self._limit_s, closing)
        except TimeoutError as error:
            told = timed_out(self._timeout_s)
            raise DecodeTimeoutError(f"{shown(uri)}: {told.message}", told.hint) from error
        except (EOFError, OSError) as error:
            raise DecodeCrashError(
                f"{shown(uri)}: the decoder's process died ({self._end()})",
                "the file may be damaged, or the machine short of memory",
            ) from error
        if isinstance(answer, _Unforeseen):
            answer.told.__cause__ = DecoderTracebackError(answer.trace)
            answer = answer.told
        if not isinstance(answer, MediaSample | VideotagError):
            raise TypeError(f"a decode worker answered with {type(answer).__name__}")
        return answer

    def stop(self) -> None:
        """Kills the process and waits until it is gone."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _hear(self, timeout_s: float, closing: Connection) -> object:
        heard = wait([self._pipe, closing], timeout_s)
        if not heard:
            raise TimeoutError
        if self._pipe not in heard:
            raise PoolClosingError
        return pickle.loads(self._pipe.recv_bytes())

    def _end(self) -> str:
        self._process.join(1.0)  # the pipe closes a moment before the process ends
        code = self._process.exitcode
        if code is None:
            return "no answer"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _serve(pipe: Connection, parent_pid: int, config: MediaConfig, decode: Decoder) -> None:
    """The worker's side: answers until the parent closes the pipe."""
    _die_with(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers itself
    pipe.send(None)
    while True:
        try:
            uri = pipe.recv()
        except (EOFError, OSError):
            return
        answer = pickle.dumps(_answer(uri, config, decode), protocol=5)
        try:
            pipe.send_bytes(answer)
        except OSError:
            return


@dataclass(frozen=True, slots=True)
class _Unforeseen:
    told: DecodeCrashError
    trace: str  # no traceback crosses a process border by itself


def _answer(uri: str, config: MediaConfig, decode: Decoder) -> MediaSample | VideotagError | _Unforeseen:
    try:
        with open_source(uri, config) as path:
            try:
                return decode(path, config)
            except VideotagError as error:  # decode knows a local file, perhaps without a name
                return type(error)(f"{shown(uri)}: {error.message}", error.hint)
    except VideotagError as error:
        return error
    except Exception as error:  # what nobody foresaw costs one file, not the worker
        what = f"{type(error).__name__}: {shown(str(error))}"
        return _Unforeseen(DecodeCrashError(f"{shown(uri)}: the decoder failed with {what}"), traceback.format_exc())


def _die_with(parent_pid: int) -> None:
    if sys.platform == "linux":
        # The signal comes when the *thread* that started this process ends: a driver of the pool, which lives longer.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the call above
        sys.exit(1)
