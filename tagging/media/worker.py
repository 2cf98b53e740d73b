"""Decode worker: a process that decodes one source after another, as requested over a pipe.

It never outlives its parent: it ends when the pipe closes, and on Linux the kernel kills a busy one. Its
memory is bounded, so that no file can exhaust the machine.
"""

import fcntl
import multiprocessing
import os
import pickle
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path

from tagging.config.media import MediaConfig
from tagging.errors import BackendUnavailableError, DecodeCrashError, DecodeTimeoutError, VideotagError
from tagging.media.limits import out_of_memory, timed_out
from tagging.media.source import OpenFile, name_of, open_source
from tagging.messages import shown
from tagging.types import MediaSample

Decoder = Callable[[Path, MediaConfig], MediaSample]
Wanted = Callable[[], bool]  # True: the result is still awaited

START_TIMEOUT_S = 60.0  # start of an interpreter, on a busy machine
LOOK_EVERY_S = 0.05  # interval of checking whether the result is still wanted, and the worker's memory
BEYOND_THE_LIMIT = (
    2  # kernel limit as a multiple: ffmpeg reports a refused allocation as damage, so the parent checks first
)

# Workers are forked from a server that has loaded the libraries once: a new one, as after each cancelled decode, is
# ready in 20 ms instead of 0.8 s, and under `videotag` in 0.1 s, as it imports the program's main module itself. The
# server does not, so it has no threads, locks or models that a fork could copy.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tagging.media.decode", "tagging.media.worker"])


class NotWantedError(Exception):
    """The result is no longer awaited."""


class DecoderTracebackError(Exception):
    """The cause of an unexpected error: its traceback in the decoder process, as text."""


class Worker:
    """The parent's side of a worker. After any error that a method raises, only `stop` may be called."""

    def __init__(self, config: MediaConfig, decode: Decoder, grace_s: float) -> None:
        """Start the process without waiting for it. Raises BackendUnavailableError."""
        self._timeout_s = config.decode_timeout_s
        self._limit_s = config.decode_timeout_s + grace_s
        self._memory_bytes = config.decode_memory_bytes
        self._pipe, theirs = _processes.Pipe()
        arguments = (theirs, dict(os.environ), config, decode)
        self._process = _processes.Process(target=_serve, args=arguments, name="videotag-decode", daemon=True)
        try:
            self._process.start()
        except BaseException as error:
            self._pipe.close()  # without a process there is no worker that could
            # The server has a socket in the folder of temporary files, and ends when the system refuses it a process.
            if isinstance(error, OSError | EOFError):
                raise _not_started(
                    str(error),
                    "set TMPDIR to a folder with room and with a path of at most 70 characters; check the memory and "
                    "the limit of processes",
                ) from error
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def wait_until_ready(self, wanted: Wanted) -> None:
        """Raises BackendUnavailableError and NotWantedError."""
        try:
            self._hear(START_TIMEOUT_S, wanted)
        except (TimeoutError, EOFError, OSError) as error:
            raise _not_started(
                self._end(),
                "check the memory and the load of the machine; a script that decodes needs "
                '`if __name__ == "__main__":` around its main part',
            ) from error

    def ask(self, source: str | OpenFile, wanted: Wanted) -> MediaSample | VideotagError:
        """Decode one source. Raises DecodeTimeoutError, DecodeMemoryError, DecodeCrashError and NotWantedError."""
        try:
            self._pipe.send(source)
            if isinstance(source, OpenFile):
                send_handle(self._pipe, source.descriptor, self._process.pid)
            answer = self._hear(self._limit_s, wanted)
        except TimeoutError as error:
            timeout = timed_out(self._timeout_s)
            raise DecodeTimeoutError(f"{name_of(source)}: {timeout.message}", timeout.hint) from error
        except MemoryError as error:
            raise out_of_memory(self._memory_bytes, name_of(source)) from error
        except (EOFError, OSError) as error:
            raise DecodeCrashError(
                f"{name_of(source)}: the decoder's process died ({self._end()})",
                "the file may be damaged, or the machine short of memory",
            ) from error
        if isinstance(answer, _Unforeseen):
            answer.crash.__cause__ = DecoderTracebackError(answer.trace)
            answer = answer.crash
        if not isinstance(answer, MediaSample | VideotagError):
            raise TypeError(f"a decode worker answered with {type(answer).__name__}")
        return answer

    def stop(self) -> None:
        """Kill the process and wait for its end."""
        if self._process.is_alive():  # the number of an ended one may be another program's
            self._process.kill()
        self._process.join()
        self._process.close()  # otherwise its descriptors would live as long as the traceback of its last error
        self._pipe.close()

    def _hear(self, timeout_s: float, wanted: Wanted) -> object:
        end_s = time.monotonic() + timeout_s
        while not self._pipe.poll(max(0.0, min(LOOK_EVERY_S, end_s - time.monotonic()))):
            if not wanted():
                raise NotWantedError
            if self._memory() > self._memory_bytes:
                raise MemoryError
            if time.monotonic() >= end_s:
                raise TimeoutError
        return pickle.loads(self._pipe.recv_bytes())

    def _memory(self) -> int:
        """Return the bytes in use without mapped files; 0 if unknown. psutil reads smaps for this, which is slow."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0
        return 1024 * sum(int(kib) for kib in re.findall(r"^(?:RssAnon|VmSwap):\s*(\d+) kB$", status, re.MULTILINE))

    def _end(self) -> str:
        self._process.join(1.0)  # the pipe closes a moment before the process ends
        code = self._process.exitcode
        if code is None:
            return "no answer"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _not_started(reason: str, hint: str) -> BackendUnavailableError:
    """Return the error of this machine, not of the file: another machine can decode it, or this one later."""
    return BackendUnavailableError(f"no decode process could be started ({reason})", hint)


def _serve(pipe: Connection, environment: dict[str, str], config: MediaConfig, decode: Decoder) -> None:
    """Run the worker's side: answer until the parent closes the pipe.

    environment: of the parent now; the server's is that of its start
    """
    _die_with_parent()
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers itself
    _limit(config.decode_memory_bytes)
    pipe.send(None)
    while True:
        try:
            source = _next(pipe)
        except (EOFError, OSError):
            return
        answer = _packed(source, config, decode)
        if isinstance(source, OpenFile):
            os.close(source.descriptor)
        try:
            pipe.send_bytes(answer)
        except OSError:
            return


def _next(pipe: Connection) -> str | OpenFile:
    source: str | OpenFile = pipe.recv()
    # The received number is valid in the parent only; the descriptor itself follows.
    return replace(source, descriptor=recv_handle(pipe)) if isinstance(source, OpenFile) else source


@dataclass(frozen=True, slots=True)
class _Unforeseen:
    crash: DecodeCrashError
    trace: str  # tracebacks are not pickled with errors


def _packed(source: str | OpenFile, config: MediaConfig, decode: Decoder) -> bytes:
    try:
        return pickle.dumps(_answer(source, config, decode), protocol=5)
    except MemoryError:
        return pickle.dumps(out_of_memory(config.decode_memory_bytes, name_of(source)), protocol=5)


def _answer(source: str | OpenFile, config: MediaConfig, decode: Decoder) -> MediaSample | VideotagError | _Unforeseen:
    try:
        with open_source(source, config) as path:
            try:
                return decode(path, config)
            except VideotagError as error:  # decode was given a local file, possibly without a name
                return type(error)(f"{name_of(source)}: {error.message}", error.hint)
    except VideotagError as error:
        return error
    except MemoryError:
        raise
    except Exception as error:  # an unexpected error costs one file, not the worker
        message = f"the decoder failed with {type(error).__name__}: {shown(str(error))}"
        return _Unforeseen(DecodeCrashError(f"{name_of(source)}: {message}"), traceback.format_exc())


def _limit(memory_bytes: int) -> None:
    """Limit memory for allocations between two checks of the parent, and disable core files, which would contain a
    video.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Not RLIMIT_AS: libraries and malloc arenas reserve far more address space than they use.
    with suppress(OSError):  # systems without this file do not have the limit either
        stated = re.search(r"^VmData:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
        if stated is not None:
            limit = int(stated[1]) * 1024 + BEYOND_THE_LIMIT * memory_bytes
            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a decode worker is a process of its own")
    if sys.platform == "linux":
        # The kernel sends SIGKILL when the parent's end of this pipe closes. The signal of prctl would come when the
        # server ends, which outlives the parent as long as it has workers.
        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(parent.sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(parent.sentinel, fcntl.F_GETFL)
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)
    if not parent.is_alive():  # it ended before this was set
        sys.exit(1)
