"""The service as a child process, and its resource footprint."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tagging.errors import BackendUnavailableError
from tagging.tools.load_test.service_process import ServiceProcess, service_process
from tests.support.processes import runs


def test_a_service_that_does_not_start_reports_the_reason(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match=r"does not start: .*nothing"):  # noqa: SIM117
        with service_process(tmp_path / "nothing", tmp_path, f"sqlite:///{tmp_path}/service.db"):
            pass


def test_a_footprint_includes_descendants(tmp_path: Path) -> None:
    grandchild = "import sys, threading; print(flush=True); sys.stdin.read()"
    child = (
        "import subprocess, sys\n"
        "held = bytearray(b'x' * 64 * 2**20)\n"
        f"subprocess.run([sys.executable, '-c', {grandchild!r}])\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", child], **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        held = ServiceProcess(process, 1, tmp_path / "log").footprint()
        want = {process.pid, *map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())}
        assert ServiceProcess(process, 1, tmp_path / "log").pids() == want
        assert (held.processes, held.threads) == (2, 2)
        assert held.descriptors == sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in want)  # noqa: PTH208
        assert 64 < held.resident_mib < 200
        process.communicate()


PARENT = """
import sys, time
from pathlib import Path
from tagging.tools.load_test.service_process import service_process
bundle, folder = map(Path, sys.argv[1:])
with service_process(bundle, folder, f"sqlite:///{folder}/service.db") as service:
    print(*service.pids(), flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_the_service_and_its_children_end_when_the_parent_is_killed(tiny_starter: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tiny_starter), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = {int(pid) for pid in parent.stdout.readline().split()}
        assert pids
        assert all(runs(pid) for pid in pids)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 60
    while any(runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(runs(pid) for pid in pids)
