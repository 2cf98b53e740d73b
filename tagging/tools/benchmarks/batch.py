"""Benchmark of batches: the executors against a plain loop over the tagger, each in processes of its own.

The loop is what a user writes first: `for video in manifest: tagger.tag(video)`. Memory is the peak of a run with all
the processes that it starts (tagging/bench/memory.py).
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagging.bench.memory import PeakMemory
from tagging.bench.start import VIDEOTAG
from tagging.errors import VideotagError

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
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, PeakMemory(process.pid) as memory:
        answer, _ = process.communicate()
    if process.returncode:
        raise VideotagError(f"a run failed with exit code {process.returncode}", "see its error above")
    return Measured(json.loads(answer), memory.peak_mib)
