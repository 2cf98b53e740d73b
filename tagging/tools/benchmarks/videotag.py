"""videotag itself on a benchmark: the commands that a user would type, and their predictions beside the peers'."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging.errors import VideotagError
from tagging.tools.benchmarks.folder import BenchmarkFolder, as_row, write_table
from tagging.tools.benchmarks.predictions import prediction_files, read_predictions, write_predictions
from tagging.types import LabelledVideo

COMMAND = (sys.executable, "-c", "from tagging.cli.main import main; main()")


@dataclass(frozen=True, slots=True)
class VideotagOptions:
    bundle: Path  # trained unless it exists
    profile: str = "offline"
    configs: tuple[Path, ...] = ()  # TOML over the profile, each over those before it
    features: Path | None = None  # the feature store; None: the user's
    command: Sequence[str] = COMMAND


def run_videotag(
    folder: BenchmarkFolder, tests: Mapping[str, Sequence[LabelledVideo]], options: VideotagOptions
) -> list[Path]:
    """Train on the folder's train.parquet, then answer the videos of each test; what `train` and `predict` raise."""
    train(folder.train, options)
    return [path for test, videos in tests.items() for path in predict(videos, folder.predictions(test), options)]


def train(manifest: Path, options: VideotagOptions) -> None:
    """The bundle of the options, unless it is there. Raises VideotagError where the command fails; it told why."""
    if not options.bundle.exists():
        where = ["--manifest", str(manifest), "--out", str(options.bundle), "--profile", options.profile]
        _videotag(options, "train", *where, *(f"--config={path}" for path in options.configs), *_features(options))


def predict(videos: Sequence[LabelledVideo], out: Path, options: VideotagOptions) -> list[Path]:
    """Whatever files of predictions `videotag evaluate` writes, as `videotag-NAME.jsonl.gz`, NAME being `union` or a
    channel. Raises VideotagError where the command fails; it told why.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory(dir=out, prefix=".ours-") as name:
        manifest, answers = Path(name) / "test.parquet", Path(name) / "predictions"
        write_table(map(as_row, videos), manifest)
        where = ["--bundle", str(options.bundle), "--manifest", str(manifest), "--predictions", str(answers)]
        _videotag(options, "evaluate", *where, "--format", "json", *_features(options))
        for system, file in prediction_files(answers).items():
            path = out / f"videotag-{system}.jsonl.gz"
            write_predictions(read_predictions(file).items(), path)
            written.append(path)
    return written


def _features(options: VideotagOptions) -> list[str]:
    return ["--features", str(options.features)] if options.features else []


def _videotag(options: VideotagOptions, *arguments: str) -> None:
    """stdout is not ours to fill: the figures of `evaluate` are other figures than the scorer's."""
    done = subprocess.run([*options.command, *arguments], stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise VideotagError(f"videotag {arguments[0]} failed with exit code {done.returncode}", "it told why above")
