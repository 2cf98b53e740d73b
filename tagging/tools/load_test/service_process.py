"""The service as a child process, on a free port of the loopback interface (Linux).

It does not outlive its parent: the kernel kills it when the thread that started it ends, also by kill -9.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tagging.errors import BackendUnavailableError
from tagging.tools.load_test.footprint import Footprint, footprint_of, process_tree

START_TIMEOUT_S = 300.0  # a large bundle on a busy machine
STOP_TIMEOUT_S = 60.0
POLL_S = 0.05

# The program of the child process; its first argument is the id of the parent.
_PROGRAM = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != int(sys.argv.pop(1)):  # the parent died before the call above
    sys.exit(1)
from tagging.cli.main import main
main()
"""
_SERVING = re.compile(r"^serving bundle .* on port (\d+)$", re.MULTILINE)


class ServiceProcess:
    """A running `videotag serve`."""

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
        """Everything it has written to stdout and stderr."""
        return self._log.read_text(errors="replace")

    def pids(self) -> set[int]:
        """Return the ids of the process and its descendants."""
        return {process.pid for process in process_tree(self._process.pid)}

    def footprint(self) -> Footprint:
        """Return what the process and its descendants hold now."""
        return footprint_of(process_tree(self._process.pid))

    def terminate(self) -> None:
        """Request a drain and an orderly end."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, and wait for the end."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Wait for its end and return the exit status; raise TimeoutExpired if it takes too long."""
        return self._process.wait(STOP_TIMEOUT_S)


@contextmanager
def service_process(
    bundle: Path, folder: Path, database: str, listen: Mapping[str, object] | None = None, folders: Sequence[str] = ()
) -> Iterator[ServiceProcess]:
    """Start the service, yield it once it is SERVING, and terminate it at the end of the context.

    folder: where its settings and its log are written; database: a URL; listen: further keys of the table `listen` of
    its settings; folders: absolute paths from which it may open files. Raises BackendUnavailableError with the last
    lines of its log if it does not start.
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
        ended = process.poll() is not None  # read before the log, which is then complete
        text = log.read_text(errors="replace")
        if found := _SERVING.search(text):
            return int(found[1])
        if ended or time.monotonic() > deadline:
            last = " ".join(text.split("\n")[-3:]).strip()
            raise BackendUnavailableError(f"the service does not start: {last or 'its log is empty'}")
        time.sleep(POLL_S)


def _toml(listen: Mapping[str, object], database: str, folders: Sequence[str]) -> str:
    """Write the settings file: JSON strings, numbers and lists of strings are valid TOML."""
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
