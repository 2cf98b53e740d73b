"""Benchmark of batches: the executors against a plain loop over the tagger, each in processes of its own.

The loop is what a user writes first: `for video in manifest: tagger.tag(video)`. Memory is the largest sum, over the
processes of a run, of the memory that each would free by ending (unique set size) plus the shared memory of the
largest; it is read twice a second.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tagging.errors import VideotagError

EVERY_S = 0.5
MIB = 2**20
VIDEOTAG = (sys.executable, "-c", "from tagging.cli.main import main; main()")
LOOP = (sys.executable, "-m", "tagging.tools.benchmarks.batch_loop")


@dataclass(frozen=True, slots=True)
class Measured:
    """A run of a manifest."""

    report: dict[str, Any]  # seconds, done and stage_rates, as the summary of a batch has them
    peak_mib: float


def compare_batches(manifest: Path, bundle: Path, runs: Sequence[str]) -> dict[str, list[dict[str, object]]]:
    """Return tables: each of the runs "loop", "local" and "ray", and the rates of its stages.

    A run has its rate against that of the first one, and its memory.
    Raises VideotagError if a run fails; its stderr gives the reason.
    """
    measured = {}
    with tempfile.TemporaryDirectory(prefix="videotag-batch-") as folder:
        for run in runs:
            measured[run] = _measure(_command(run, manifest, bundle, Path(folder) / run))
    rates = {run: found.report["done"] / found.report["seconds"] for run, found in measured.items()}
    first = next(iter(rates.values()))
    table: list[dict[str, object]] = []
    stages: list[dict[str, object]] = []
    for run, found in measured.items():
        by_stage: dict[str, float] = found.report["stage_rates"]
        slowest = min(by_stage, key=lambda stage: by_stage[stage])
        table.append(
            {
                "run": run,
                "rows": found.report["done"],
                "seconds": found.report["seconds"],
                "rows / s": round(rates[run], 1),
                "ratio": round(rates[run] / first, 2),
                "of its slowest stage": round(rates[run] / by_stage[slowest], 2),
                "peak MiB": round(found.peak_mib),
            }
        )
        stages += [{"run": run, "stage": stage, "rows / s of a worker": rate} for stage, rate in by_stage.items()]
    return {"runs": table, "stages": stages}


def _command(run: str, manifest: Path, bundle: Path, out: Path) -> list[str]:
    if run == "loop":
        return [*LOOP, str(manifest), str(bundle)]
    options = ["--out", str(out), "--bundle", str(bundle), "--format", "json"]
    return [*VIDEOTAG, "batch", str(manifest), *options, *(["--ray", "local"] if run == "ray" else [])]


def _measure(command: Sequence[str]) -> Measured:
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        watch = _Watch(process.pid)
        watch.start()
        answer, _ = process.communicate()
        watch.stop()
    if process.returncode:
        raise VideotagError(f"a run failed with exit code {process.returncode}", "see its error above")
    return Measured(json.loads(answer), watch.peak / MIB)


class _Watch(threading.Thread):
    """Reads the memory of a process and of all that it started."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(EVERY_S):
            self.peak = max(self.peak, memory_of(self._pid))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def memory_of(pid: int) -> int:
    """Return the bytes that a process and those that it started hold."""
    unique, shared = 0, 0
    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    except psutil.Error:  # it has ended
        return 0
    for process in processes:
        try:
            about = process.memory_full_info()
        except psutil.Error:  # it ended meanwhile
            continue
        unique += about.uss
        shared = max(shared, about.rss - about.uss)
    return unique + shared
