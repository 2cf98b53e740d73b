"""videotag against the loop that a user writes first, with the same weights on the same cores, each in its process."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from tagging.bench.figure import Figure, Row
from tagging.bench.loop_models import write_models
from tagging.bench.memory import PeakMemory
from tagging.bench.plan import Plan
from tagging.bench.timing import Spent, median_cpu_s, median_s, ratios
from tagging.config.encoders import RuntimeName
from tagging.errors import VideotagError

LOOP = "loop"
RUNTIMES: Mapping[str, RuntimeName] = {"videotag": "torch", "videotag on OpenVINO": "openvino"}  # of the other sides


def measure(plan: Plan) -> list[Figure]:
    """Return a figure for videotag, and one for it on OpenVINO where that is installed, with the peak memory of sides.

    Each side has tagged the videos before. The bundle of the plan is not used: all sides load production-size models
    of random weights. Raises MissingPackageError without the extras clip and vggish, what `Plan.clips` raises, and
    VideotagError if a side fails; its stderr gives the reason.
    """
    videos = [{"video_id": clip.video_id, "uri": clip.uri, "title": clip.title or "untitled"} for clip in plan.clips()]
    ours = [side for side, runtime in RUNTIMES.items() if importlib.util.find_spec(runtime) is not None]
    with plan.progress.track("write models of random weights", 1) as advance:
        runtimes = [RUNTIMES[side] for side in ours]
        models = write_models(plan.folder / "loop", plan.sizes.loop_vision, plan.seed, runtimes)
        advance(1)
    job = plan.folder / "loop.json"
    job.write_text(json.dumps({"models": asdict(models), "videos": videos}, default=str), encoding="utf-8")
    sides = [LOOP, *ours]
    spent: dict[str, list[Spent]] = {side: [] for side in sides}
    with ExitStack() as stack, plan.progress.track("tag clips", plan.repeats * len(sides)) as advance:
        running = {side: stack.enter_context(Side.started(job, side)) for side in sides}
        for repeat in range(plan.repeats):
            for side in sides[:: 1 - 2 * (repeat % 2)]:
                spent[side].append(running[side].tag())
                advance(1)
        peaks = {side: running[side].memory for side in sides}
    rows = {side: _row(side, spent[side], peaks[side].peak_mib, len(videos)) for side in sides}
    return [  # a ratio of rates is that of the times the other way round
        Figure("loop", f"videos/s of {side} / of the loop", *ratios(spent[LOOP], spent[side]), (rows[LOOP], rows[side]))
        for side in ours
    ]


class Side:
    """A running program of one side."""

    def __init__(self, process: "subprocess.Popen[str]", name: str, memory: PeakMemory) -> None:
        self.memory = memory
        self._process = process
        self._name = name

    @classmethod
    @contextmanager
    def started(cls, job: Path, name: str) -> Iterator["Side"]:
        """Start the program and wait until its models are loaded; end it with the block."""
        command = (sys.executable, "-m", "tagging.bench.loop_side", str(job), name)
        with (
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
            PeakMemory(process.pid) as memory,
        ):
            side = cls(process, name, memory)
            side._answer()
            yield side
            assert process.stdin is not None
            process.stdin.close()

    def tag(self) -> Spent:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Spent(**self._answer())

    def _answer(self) -> Row:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise VideotagError(f"the side {self._name!r} of the loop ended early", "see its error above")
        answer: Row = json.loads(line)
        return answer


def _row(side: str, spent: Sequence[Spent], peak_mib: float, videos: int) -> Row:
    return {
        "side": side,
        "videos/s": round(videos / median_s(spent), 2),
        "videos/CPU s": round(videos / median_cpu_s(spent), 2),
        "peak MiB": round(peak_mib),
    }
