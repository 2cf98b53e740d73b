"""Start of the command line: process time of `videotag` over that of a Python that does nothing."""

import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from tagging.bench.figure import Figure
from tagging.bench.plan import Plan
from tagging.bench.timing import family_cpu_s, in_turn, median_cpu_s, median_s, ratios
from tagging.errors import VideotagError

VIDEOTAG = (sys.executable, "-c", "from tagging.cli.main import main; main()")
TITLE = "My golden retriever puppy learns to swim"


def measure(plan: Plan) -> list[Figure]:
    """Return the figures of `videotag --help` and of tagging one title.

    Raises VideotagError if a command fails; its stderr gives the reason.
    """
    sides = {
        "python -c pass": (sys.executable, "-c", "pass"),
        "videotag --help": (*VIDEOTAG, "--help"),
        "videotag tag --title": (*VIDEOTAG, "tag", "--title", TITLE, "--bundle", str(plan.bundle)),
    }
    for command in sides.values():  # reads the files and writes the bytecode
        _run(command, 0)
    work = {name: partial(_run, command) for name, command in sides.items()}
    with plan.progress.track("start processes", plan.repeats * len(sides)) as advance:
        spent = in_turn(work, plan.repeats, advance, family_cpu_s)
    bare, *started = spent
    figures = []
    for name in started:
        ratio, cpu_ratio = ratios(spent[name], spent[bare])
        parts = tuple(
            {"process": side, "s": round(median_s(spent[side]), 3), "CPU s": round(median_cpu_s(spent[side]), 3)}
            for side in (bare, name)
        )
        figures.append(Figure("start", f"{name} / {bare}", ratio, cpu_ratio, parts))
    return figures


def _run(command: Sequence[str], _: int) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise VideotagError(f"{command[-1]} ended with exit code {done.returncode}", "see its error above")
