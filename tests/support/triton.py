"""A Triton Inference Server for tests: that of nvidia-pytriton, in an environment of its own, on loopback.

The environment (`make triton-env`) is separate because its models in Python need NumPy 1. VIDEOTAG_TRITON_ENV names it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.support.paths import REPOSITORY
from tests.support.ports import free_ports

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
MISSING = "no environment of Triton: run `make triton-env`"
STUB = "triton_python_backend_stub"


def environment() -> Path | None:
    """Return the virtual environment with nvidia-pytriton; None if there is none."""
    path = Path(os.environ.get("VIDEOTAG_TRITON_ENV", REPOSITORY / ".triton-venv"))
    return path if any(path.glob("lib/python3.*/site-packages/pytriton")) else None


class TritonServer:
    """A server that ends with the process that started it, even if that is killed. Ports stay over restarts."""

    def __init__(self, repository: Path, models: Sequence[str], options: Sequence[str] = ()) -> None:
        found = environment()
        assert found is not None, MISSING
        self.repository = repository
        self._models = models
        self._options = options
        self._environment = found
        self._packages = next(found.glob("lib/python3.*/site-packages"))
        self._home = Path(tempfile.mkdtemp(prefix="videotag-triton-"))
        self._copy_backend()
        self.http, self.grpc, self.metrics = free_ports(3)
        self._memory = f"videotag{os.getpid()}_{self.grpc}_"  # prefix of its shared memory
        self.start()

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.grpc}"

    def start(self) -> None:
        """Start the server; returns when it is ready."""
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=self._variables(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > until_s:
                self.stop()
                raise RuntimeError(f"Triton does not start: {self.log()[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server and the processes of its models."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the processes of models are in its group
        self._process.wait()
        for path in Path("/dev/shm").glob(f"{self._memory}*"):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Stop the server and remove its files, but not the repository."""
        self.stop()
        shutil.rmtree(self._home)

    def kill_models(self) -> int:
        """Kill the processes of the models, as a crash or the system would; returns their number."""
        stubs = [child for child in psutil.Process(self._process.pid).children(recursive=True) if _is_stub(child)]
        for stub in stubs:
            stub.kill()
        return len(stubs)

    def log(self) -> str:
        return (self._home / "log").read_text(errors="replace")

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/v2/health/ready", timeout=1):
                return True
        except OSError:
            return False

    def _copy_backend(self) -> None:
        server, backend = self._packages / "pytriton" / "tritonserver", self._home / "backends" / "python"
        shutil.copytree(server / "backends" / "python", backend)
        version = self._packages.parent.name.removeprefix("python")
        shutil.copy2(self._packages / "pytriton" / "tritonserver" / "python_backend_stubs" / version / STUB, backend)

    def _command(self) -> list[str]:
        return [
            *("setpriv", "--pdeathsig", "TERM"),
            str(self._packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"),
            f"--model-repository={self.repository}",
            f"--backend-directory={self._home}/backends",
            *(f"--{name}-address=127.0.0.1" for name in ("http", "grpc", "metrics")),
            f"--http-port={self.http}",
            f"--grpc-port={self.grpc}",
            f"--metrics-port={self.metrics}",
            "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in self._models),
            "--model-config-name=cpu",
            "--disable-auto-complete-config",
            "--strict-readiness=false",
            "--allow-gpu-metrics=false",
            "--pinned-memory-pool-byte-size=0",
            "--exit-timeout-secs=5",
            f"--backend-config=python,shm-region-prefix-name={self._memory}",
            *self._options,
        ]

    def _variables(self) -> dict[str, str]:
        python = self._environment / "bin" / "python"
        libraries = subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"], text=True
        ).strip()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return kept | {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{libraries}:{self._packages}/nvidia_pytriton.libs",
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
        }


def counters(server: TritonServer, model: str) -> tuple[int, int]:
    """Return the rows that a model computed, and its runs, from Triton's metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics}/metrics") as response:
        lines = response.read().decode().splitlines()
    found = {
        line.split("{")[0]: int(float(line.split()[-1])) for line in lines if f'model="{model}",version="1"' in line
    }
    return found["nv_inference_count"], found["nv_inference_exec_count"]


def _is_stub(process: psutil.Process) -> bool:
    try:
        return process.name().startswith(STUB[:15])  # Linux keeps 15 characters
    except psutil.NoSuchProcess:
        return False
