"""videotag on a benchmark: runs the `videotag` commands that a user would run and stores their predictions."""

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
    bundle: Path  # trained if it does not exist
    profile: str = "offline"
    configs: tuple[Path, ...] = ()  # TOML over the profile, later files override earlier ones
    features: Path | None = None  # the feature store; None: the default of the user
    command: Sequence[str] = COMMAND


def run_videotag(
    folder: BenchmarkFolder, tests: Mapping[str, Sequence[LabelledVideo]], options: VideotagOptions
) -> list[Path]:
    """Train on train.parquet of the folder, then predict for each test. Raises the errors of `train` and `predict`."""
    train(folder.train, options)
    return [path for test, videos in tests.items() for path in predict(videos, folder.predictions(test), options)]


def train(manifest: Path, options: VideotagOptions) -> None:
    """Train the bundle unless it exists. Raises VideotagError if the command fails; its stderr gives the reason."""
    if not options.bundle.exists():
        arguments = ["--manifest", str(manifest), "--out", str(options.bundle), "--profile", options.profile]
        _videotag(options, "train", *arguments, *(f"--config={path}" for path in options.configs), *_features(options))


def predict(videos: Sequence[LabelledVideo], out: Path, options: VideotagOptions) -> list[Path]:
    """Write all prediction files of `videotag evaluate` as `videotag-NAME.jsonl.gz`; NAME is `union` or a channel.

    Raises VideotagError if the command fails; its stderr gives the reason.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory(dir=out, prefix=".videotag-") as name:
        manifest, predictions = Path(name) / "test.parquet", Path(name) / "predictions"
        write_table(map(as_row, videos), manifest)
        arguments = ["--bundle", str(options.bundle), "--manifest", str(manifest), "--predictions", str(predictions)]
        _videotag(options, "evaluate", *arguments, "--format", "json", *_features(options))
        for system, file in prediction_files(predictions).items():
            path = out / f"videotag-{system}.jsonl.gz"
            write_predictions(read_predictions(file).items(), path)
            written.append(path)
    return written


def _features(options: VideotagOptions) -> list[str]:
    return ["--features", str(options.features)] if options.features else []


def _videotag(options: VideotagOptions, *arguments: str) -> None:
    """Run a command with stdout discarded: the figures of `evaluate` differ from those of the scorer."""
    done = subprocess.run([*options.command, *arguments], stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise VideotagError(f"videotag {arguments[0]} failed with exit code {done.returncode}", "see its error above")
