"""Memory of a process with those that it started."""

import subprocess
import sys

from tagging.bench.memory import PeakMemory, memory_of

HOLD = "import sys; held = bytearray(80 * 2**20); print(len(held), flush=True); sys.stdin.read()"
START = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"


def test_memory_counts_the_processes_that_a_process_started() -> None:
    with subprocess.Popen([sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        with PeakMemory(process.pid) as memory:
            assert memory_of(process.pid) > 80 * 2**20
        assert memory.peak_mib > 80
        process.communicate()
    assert memory_of(process.pid) == 0
