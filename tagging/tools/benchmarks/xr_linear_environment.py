"""Virtual environment of XR-Linear: libpecos needs numpy below 2, on which videotag does not run."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scipy import sparse

from tagging.errors import MissingPackageError, VideotagError
from tagging.progress import Advance, Progress
from tagging.tools.benchmarks.labels import Sparse, TrainingTags
from tagging.tools.benchmarks.programs import last_line

SCRIPT = Path(__file__).parent / "xr_linear.py"
# libpecos also requires torch and transformers, which its linear models never import: omitting them saves 2 GB.
LIBRARIES = ("numpy<2", "scipy<1.14", "scikit-learn<1.7")
PECOS = "libpecos==1.2.8"
STAGES = 3  # reported by the script: clustered, trained, predicted
MIN_COUNT = 2  # fewest training videos of a tag: with one, a linear model memorises that video


def make_environment(folder: Path, progress: Progress) -> Path:
    """Return the Python of a virtual environment with libpecos, created at `folder` if needed.

    Raises MissingPackageError if it cannot be installed.
    """
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():  # a killed installation leaves a Python without libraries
        with progress.track("environment of XR-Linear", 3) as advance:
            for command in (
                [sys.executable, "-m", "venv", str(folder)],
                [str(python), "-m", "pip", "install", "--quiet", *LIBRARIES],
                [str(python), "-m", "pip", "install", "--quiet", "--no-deps", PECOS],
            ):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise MissingPackageError(
                        f"{PECOS} cannot be installed: {last_line(done.stderr)}",
                        "pass the Python of an environment that has it with --xr-python",
                    )
                advance(1)
        ready.touch()
    return python


def xr_linear(
    python: Path, train: Sparse, tags: TrainingTags, queries: Sparse, progress: Progress, min_count: int = MIN_COUNT
) -> Sparse:
    """Return (Q, N) scores from (V, F) and (Q, F) features, for tags with at least `min_count` training videos."""
    enough = int((tags.labels.sum(axis=0) >= min_count).sum())  # tags are sorted by frequency
    if not enough:
        raise VideotagError(f"no tag has {min_count} training videos", "XR-Linear needs a bigger training set")
    labels = tags.labels[:, :enough].tocsr()
    with tempfile.TemporaryDirectory() as name, progress.track("XR-Linear", STAGES) as advance:
        folder = Path(name)
        for matrix, file in ((train, "train_x"), (labels, "train_y"), (queries, "test_x")):
            sparse.save_npz(folder / f"{file}.npz", matrix, compressed=False)
        _run(python, [str(SCRIPT), name, str(os.cpu_count() or 1)], advance)
        scores = sparse.load_npz(folder / "scores.npz").tocsr()
    scores.resize((queries.shape[0], len(tags.names)))
    return scores


def _run(python: Path, arguments: Sequence[str], advance: Advance) -> None:
    last = "no output"
    try:
        with subprocess.Popen([str(python), *arguments], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                last = line.strip() or last
                advance(line.startswith("XR-Linear:"))
    except OSError as error:
        raise MissingPackageError(
            f"{python} cannot be run: {error}", "--xr-python must be a Python interpreter"
        ) from error
    if process.returncode:
        raise MissingPackageError(f"XR-Linear failed: {last}", f"it needs {PECOS} in the environment of {python}")
