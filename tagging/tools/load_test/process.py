"""The real service in a process of its own, on a free port of loopback, and what it holds of the machine (Linux).

It does not outlive who started it: the kernel kills it when the thread that did is gone, also by kill -9.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tagging.errors import BackendUnavailableError

START_TIMEOUT_S = 300.0  # a large bundle on a busy machine
STOP_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.05

# What the process runs; its first argument is the id of who started it.
_PROGRAM = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != int(sys.argv.pop(1)):  # who died before the call above
    sys.exit(1)
from tagging.cli.main import main
main()
"""
_SERVING = re.compile(r"^serving bundle .* on port (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process and all its descendants hold together."""

    resident_mib: float  # pages that processes share are counted in each
    descriptors: int
    threads: int
    processes: int


class ServiceProcess:
    """`videotag serve`, which answers."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self._process = process
        self.port = port
        self._log = log

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text(errors="replace")

    def pids(self) -> set[int]:
        """The service's process id and those of its descendants."""
        return {process.pid for process in self._tree()}

    def footprint(self) -> Footprint:
        resident = descriptors = threads = processes = 0
        for process in self._tree():
            with suppress(psutil.NoSuchProcess), process.oneshot():  # it may have ended meanwhile
                resident += process.memory_info().rss
                descriptors += process.num_fds()
                threads += process.num_threads()
                processes += 1
        return Footprint(resident / 2**20, descriptors, threads, processes)

    def _tree(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        return []

    def terminate(self) -> None:
        """Ask it to drain and end."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """It ends here and now."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Its exit status; raises TimeoutExpired."""
        return self._process.wait(STOP_TIMEOUT_S)


@contextmanager
def service_process(
    bundle: Path, folder: Path, database: str, listen: Mapping[str, object] | None = None, folders: Sequence[str] = ()
) -> Iterator[ServiceProcess]:
    """The service, once it is SERVING; it is told to stop at the end of the context, where it still runs.

    folder: for its settings and its log; database: a URL; listen: further keys of that table of its file;
    folders: absolute, that it may open files of. Raises BackendUnavailableError, with what it said last,
    where it does not start.
    """
    file, log = folder / "service.toml", folder / "service.log"
    file.write_text(_toml(listen or {}, database, folders), encoding="utf-8")
    command = [sys.executable, "-c", _PROGRAM, str(os.getpid()), "serve", "--bundle", str(bundle)]
    command += ["--config", str(file)]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
    try:
        yield ServiceProcess(process, _port(process, log), log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        ended = process.poll() is not None  # looked at first: what it said before its end is in the log then
        told = log.read_text(errors="replace")
        if found := _SERVING.search(told):
            return int(found[1])
        if ended or time.monotonic() > deadline:
            last = " ".join(told.split("\n")[-3:]).strip()
            raise BackendUnavailableError(f"the service does not start: {last or 'it said nothing'}")
        time.sleep(LOOK_EVERY_S)


def _toml(listen: Mapping[str, object], database: str, folders: Sequence[str]) -> str:
    """A string of JSON is one of TOML, too; so are numbers and lists of strings."""
    tables: dict[str, dict[str, object]] = {
        "listen": {"address": "127.0.0.1:0", **listen},
        "observe.metrics": {"listen": "127.0.0.1:0"},
        "database": {"url": database},
        "sources": {"folders": list(folders)},
    }
    lines = [
        f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in keys.items()) for name, keys in tables.items()
    ]
    return "".join(lines)
