"""videotag itself on a benchmark: the commands that a user would type, and their predictions beside the peers'."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging.benchmarks.datasets import Row
from tagging.benchmarks.folder import BenchmarkFolder, write_table
from tagging.benchmarks.predictions import prediction_files, read_predictions, write_predictions
from tagging.errors import VideotagError
from tagging.types import LabelledVideo

COMMAND = (sys.executable, "-c", "from tagging.cli.main import main; main()")


@dataclass(frozen=True, slots=True)
class OursOptions:
    bundle: Path  # trained unless it exists
    profile: str = "offline"
    config: Path | None = None
    features: Path | None = None  # the feature store; None: the user's


def run_ours(folder: BenchmarkFolder, tests: Mapping[str, Sequence[LabelledVideo]], options: OursOptions) -> list[Path]:
    """Train on the folder's train.parquet, then answer the videos of each test.

    Whatever files of predictions `videotag evaluate` writes become `videotag-NAME.jsonl.gz`, NAME being `union` or
    a channel. Raises VideotagError where a command fails; what it said stands on stderr.
    """
    features = ["--features", str(options.features)] if options.features else []
    if not options.bundle.exists():
        config = ["--config", str(options.config)] if options.config else []
        where = ["--manifest", str(folder.train), "--out", str(options.bundle)]
        _videotag("train", *where, "--profile", options.profile, *config, *features)
    written = []
    for test, videos in tests.items():
        with tempfile.TemporaryDirectory(dir=folder.root, prefix=".ours-") as name:
            manifest, answers = Path(name) / "test.parquet", Path(name) / "predictions"
            write_table(map(_row, videos), manifest)
            where = ["--bundle", str(options.bundle), "--manifest", str(manifest), "--predictions", str(answers)]
            _videotag("evaluate", *where, "--format", "json", *features)
            for system, file in prediction_files(answers).items():
                path = folder.predictions(test) / f"videotag-{system}.jsonl.gz"
                write_predictions(read_predictions(file).items(), path)
                written.append(path)
    return written


def _row(one: LabelledVideo) -> Row:
    video = one.video
    return Row(video.video_id, video.title, video.description, one.tags, video.uploader_id, video.uri)


def _videotag(*arguments: str) -> None:
    """stdout is not ours to fill: the figures of `evaluate` are other figures than the scorer's."""
    done = subprocess.run([*COMMAND, *arguments], stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise VideotagError(f"videotag {arguments[0]} failed with exit code {done.returncode}", "it told why above")
