"""Speed limits of CI: runs `videotag bench` for a few figures and compares ratios by CPU time with generous limits.

The limits are about three times what two shared cores measured (tagging/bench/BENCHMARKS.md): they find what became
several times slower, not a tenth. A ratio is measured once, in half a minute of one core; if one is beyond its limit,
all are measured again with more repeats, and the second result counts.
Exit codes: 0 within the limits, 1 a ratio is beyond its limit, 2 one could not be measured.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

VIDEOTAG = (sys.executable, "-c", "from tagging.cli.main import main; main()")

# Beginning of a figure's "ratio_of" -> least and largest ratio.
LIMITS: Mapping[str, tuple[float, float]] = {
    "videos/s end to end / of ": (0.3, 3.0),
    "recall, rank and selection / encoding of a title": (0.0, 1.0),
    "videotag --help / ": (0.0, 45.0),
    "videotag tag --title / ": (0.0, 700.0),
}
FIGURES = ("ingest", "title", "start")


def main(command: Sequence[str] = (*VIDEOTAG, "bench", *FIGURES, "--format", "json")) -> int:
    code = compare([*command, "--repeats", "1"])
    if code == 1:
        sys.stdout.write("again, with more repeats\n")
        code = compare(command)
    return code


def compare(command: Sequence[str]) -> int:
    """Run a benchmark, print its figures and return the exit code."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.stdout.write("NOT MEASURED: see the error above\n")
        return 2
    measured = {figure["ratio_of"]: figure for figure in json.loads(done.stdout)["figures"]}
    code = 0
    for beginning, limits in LIMITS.items():
        found = [figure for name, figure in measured.items() if name.startswith(beginning)]
        if not found:
            sys.stdout.write(f"NOT MEASURED: {beginning}\n")
            return 2
        code = max(code, *(check(figure, *limits) for figure in found))
    return code


def check(figure: Mapping[str, Any], least: float, largest: float) -> int:
    """Print a figure and return its exit code."""
    ratio = figure["cpu_ratio"]["median"]
    is_within = least <= ratio <= largest
    verdict = "within" if is_within else f"BEYOND (repeat with: {figure['command']})"
    sys.stdout.write(f"{figure['ratio_of']}: {ratio:.3g}, {verdict} {least:g} to {largest:g}\n")
    return 0 if is_within else 1


if __name__ == "__main__":
    sys.exit(main())
