"""Speed limits of CI: runs `videotag bench` for a few figures and compares ratios by CPU time with generous limits.

The limits are about twice what two shared cores measured (tagging/bench/BENCHMARKS.md): they find what became several
times slower, not a tenth. Exit codes: 0 within the limits, 1 a ratio is beyond its limit, 2 one could not be measured.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

VIDEOTAG = (sys.executable, "-c", "from tagging.cli.main import main; main()")

# Beginning of a figure's "ratio_of" -> least and largest ratio.
LIMITS: Mapping[str, tuple[float, float]] = {
    "videos/s end to end / of ": (0.4, 2.0),
    "recall, rank and selection / encoding of a title": (0.0, 1.0),
    "videotag --help / ": (0.0, 40.0),
    "videotag tag --title / ": (0.0, 500.0),
}
FIGURES = ("ingest", "title", "start")


def main(command: Sequence[str] = (*VIDEOTAG, "bench", *FIGURES, "--format", "json")) -> int:
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
