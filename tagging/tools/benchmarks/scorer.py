"""Client of the external scorer, a separate program that alone defines the measures."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagging.errors import VideotagError
from tagging.tools.benchmarks.folder import read_table
from tagging.tools.benchmarks.programs import last_line
from tagging.types import LabelledVideo

SAMPLE, SEED = 2000, 7


@dataclass(frozen=True, slots=True)
class Scorer:
    """The program `python FILE --truth … --predictions … --train … --sample N --seed S`; it prints one JSON object."""

    file: Path
    sample: int = SAMPLE
    seed: int = SEED

    def score(self, truth: Path, train: Path, predictions: Path) -> dict[str, Any]:
        """Return the scores of one file of predictions. Raises VideotagError with the last line of its stderr."""
        output = self._run(truth, "--train", str(train), "--predictions", str(predictions))
        try:
            scores = json.loads(output)
        except ValueError as error:
            raise VideotagError(f"{self.file}: its output is not JSON: {error}") from error
        if not isinstance(scores, dict):
            raise VideotagError(f"{self.file}: its output is not a JSON object")
        return scores

    def sampled(self, truth: Path) -> list[LabelledVideo]:
        """Return the videos of a table in the scorer's sample, which depends only on table, size and seed."""
        with tempfile.TemporaryDirectory() as name:
            chosen = Path(name) / "sample.jsonl"
            self._run(truth, "--write-sample", str(chosen))
            ids = {json.loads(line)["video_id"] for line in chosen.read_text(encoding="utf-8").splitlines()}
        return [row for row in read_table(truth) if row.video.video_id in ids]

    def _run(self, truth: Path, *arguments: str) -> str:
        if not self.file.is_file():
            raise VideotagError(f"{self.file}: no such scorer", "pass it with --scorer FILE")
        command = [sys.executable, str(self.file), "--truth", str(truth), *arguments]
        command += ["--sample", str(self.sample), "--seed", str(self.seed)]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        if done.returncode:
            raise VideotagError(f"{self.file.name}: {last_line(done.stderr, f'exit code {done.returncode}')}")
        return done.stdout


def chosen_videos(scorer: Scorer | None, truth: Path) -> list[LabelledVideo]:
    """Return the videos to predict tags for: the scorer's sample, or without a scorer every video of the test."""
    return read_table(truth) if scorer is None else scorer.sampled(truth)
