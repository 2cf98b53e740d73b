"""A Milvus server for tests: that of the package `milvus`, in an environment of its own (`make milvus-env`).

VIDEOTAG_MILVUS_ENV names the environment. The server listens on all interfaces, and its first user has a known
password, so it is started only where there is no interface but loopback: `make test-milvus` runs the tests so.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.support.paths import REPOSITORY

START_TIMEOUT_S = 120.0
TOKEN = "root:Milvus"  # of the user that every server has at first
# Unpacks the server's programs into a folder and writes its configuration there; arguments: the folder
SET_UP = """
import sys, milvus
config = milvus.MilvusServerConfig(data_dir=sys.argv[1])
config.set("authorization_enabled", True)
config.resolve()
config.cleanup_listen_ports()
config.write_config()
milvus._initialize_data_files(sys.argv[1])
"""


def missing() -> str | None:
    """Return the reason why no server can be started; None if one can."""
    if _environment() is None:
        return "no environment of Milvus: run `make milvus-env`"
    if any(stats.isup for name, stats in psutil.net_if_stats().items() if name != "lo"):
        return "Milvus would listen on all interfaces: run `make test-milvus`"
    return None


def _environment() -> Path | None:
    path = Path(os.environ.get("VIDEOTAG_MILVUS_ENV", REPOSITORY / ".milvus-venv"))
    return path if any(path.glob("lib/python3.*/site-packages/milvus")) else None


class MilvusServer:
    """A server that ends with the process that started it, even if that is killed. Its data stay over restarts."""

    uri = "http://127.0.0.1:19530"  # no other program uses the port, as there is no other in this network

    def __init__(self) -> None:
        environment = _environment()
        assert environment is not None
        self.folder = Path(tempfile.mkdtemp(prefix="videotag-milvus-"))
        subprocess.run([environment / "bin" / "python", "-c", SET_UP, self.folder], check=True)
        self.start()

    def start(self) -> None:
        """Start the server; returns when it is ready."""
        variables = {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": "9091",
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(self.folder / "bin"),
        }
        command = ["setpriv", "--pdeathsig", "KILL", str(self.folder / "bin" / "milvus"), "run", "standalone"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, **variables}, stdout=log, stderr=log
            )
        until_s = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > until_s:
                self.kill()
                raise RuntimeError(f"Milvus does not start: {(self.folder / 'log').read_text()[-4000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def killed(self) -> Iterator[None]:
        """Kill the server, and start it again afterwards."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Stop the server: connections stay open but get no answer."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen("http://127.0.0.1:9091/healthz", timeout=5) as answer:
                return b"OK" in answer.read()
        except OSError:
            return False
