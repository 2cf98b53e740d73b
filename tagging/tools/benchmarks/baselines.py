"""Baselines: standard methods trained on the same table, using titles only.

tfidf       the 30 nearest titles by TF-IDF vote with their similarity
sentences   the same with a sentence encoder
xr-linear   XR-Linear of PECOS on the TF-IDF features
usual       the most frequent tags of the uploader (ignores titles; for seen uploaders)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tagging.errors import InvalidManifestError
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.tools.benchmarks.embeddings import embed_titles
from tagging.tools.benchmarks.folder import BenchmarkFolder, read_table
from tagging.tools.benchmarks.labels import Sparse, TrainingTags, vote_matrix
from tagging.tools.benchmarks.nearest import nearest
from tagging.tools.benchmarks.ngrams import tfidf
from tagging.tools.benchmarks.predictions import MOST_TAGS, write_predictions
from tagging.tools.benchmarks.uploader_baseline import uploader_tags
from tagging.tools.benchmarks.xr_linear_environment import MIN_COUNT, make_environment, xr_linear
from tagging.types import LabelledVideo

NEIGHBOURS = 30


@dataclass(frozen=True, slots=True)
class BaselineOptions:
    """Storage and parameters of the baselines that need any."""

    store: FeatureStore
    xr_environment: Path  # created there unless xr_python is given
    xr_python: Path | None = None
    xr_min_count: int = MIN_COUNT


@dataclass(frozen=True)
class Task:
    """Tagged training videos and test videos; features that several baselines share are computed once."""

    train: Sequence[LabelledVideo]  # V
    tests: Sequence[LabelledVideo]  # Q
    options: BaselineOptions
    progress: Progress

    @cached_property
    def tags(self) -> TrainingTags:
        return TrainingTags.of(self.train)

    @cached_property
    def ngrams(self) -> tuple[Sparse, Sparse]:
        texts = [[video.video.text for video in videos] for videos in (self.train, self.tests)]
        return tfidf(texts[0], texts[1], self.progress)


def _tfidf(task: Task) -> Sparse:
    train, tests = task.ngrams
    return vote_matrix(*nearest(tests, train, NEIGHBOURS, task.progress), len(task.train)) @ task.tags.labels


def _sentences(task: Task) -> Sparse:
    rows = embed_titles([*task.train, *task.tests], task.options.store, task.progress)
    train, tests = rows[: len(task.train)], rows[len(task.train) :]
    return vote_matrix(*nearest(tests, train, NEIGHBOURS, task.progress), len(task.train)) @ task.tags.labels


def _xr_linear(task: Task) -> Sparse:
    options = task.options
    python = options.xr_python or make_environment(options.xr_environment, task.progress)
    train, tests = task.ngrams
    return xr_linear(python, train, task.tags, tests, task.progress, options.xr_min_count)


def _usual(task: Task) -> Sparse:
    return uploader_tags(task.train, task.tags, task.tests)


BASELINES: dict[str, Callable[[Task], Sparse]] = {
    "tfidf": _tfidf,
    "xr-linear": _xr_linear,
    "usual": _usual,
    "sentences": _sentences,  # last, as it takes the longest
}


def run_baselines(
    folder: BenchmarkFolder,
    tests: Mapping[str, Sequence[LabelledVideo]],
    names: Sequence[str],
    options: BaselineOptions,
    progress: Progress,
) -> list[Path]:
    """Write the predictions of the baselines for the videos of each test; each is trained once for all tests.

    Raises InvalidManifestError if no training video has a tag.
    """
    train = [video for video in read_table(folder.train) if any(tag.strip() for tag in video.tags)]
    if not train:
        raise InvalidManifestError(f"{folder.train}: no video with a tag")
    task = Task(train, [video for videos in tests.values() for video in videos], options, progress)
    written = []
    for name in [baseline for baseline in BASELINES if baseline in names]:
        found = task.tags.best(BASELINES[name](task), MOST_TAGS)
        start = 0
        for test, videos in tests.items():
            path = folder.predictions(test) / f"{name}.jsonl.gz"
            tags = found[start : start + len(videos)]
            write_predictions(zip([video.video.video_id for video in videos], tags, strict=True), path)
            start += len(videos)
            written.append(path)
    return written
