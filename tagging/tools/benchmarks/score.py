"""Scores of every system of a benchmark folder, as tables.

`recall` has a row per test and system, `bands` gives the recall of tags by their number of training videos, `scripts`
the recall of videos by the script of their title. R@200 is given twice: over all tags, and over the tags seen in
training (`R@200 known`), computed by the same scorer on a truth without the other tags.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tagging.errors import ArtifactNotFoundError, InvalidManifestError, VideotagError
from tagging.progress import Progress
from tagging.text.normalise import normalise
from tagging.tools.benchmarks.datasets import Row
from tagging.tools.benchmarks.folder import BenchmarkFolder, read_table, write_table
from tagging.tools.benchmarks.predictions import prediction_files
from tagging.tools.benchmarks.scorer import Scorer

MEASURES = ("R@20", "R@50", "R@200", "P@5", "P@10", "nDCG@10", "PSP@5")
TableRow = dict[str, Any]
Tables = dict[str, list[TableRow]]


def score(
    folder: BenchmarkFolder, tests: Sequence[str], systems: Sequence[str], scorer: Scorer, progress: Progress
) -> Tables:
    """Return the three tables for the named systems, or for all if none is named.

    Raises ArtifactNotFoundError if a test has no predictions, or none of a named system, and the errors of the scorer.
    """
    found = {test: prediction_files(folder.predictions(test)) for test in tests}
    for test, files in found.items():
        missing = [name for name in systems if name not in files]
        if missing or not files:
            of = f" of {', '.join(missing)}" if missing else ""
            raise ArtifactNotFoundError(
                f"{folder.predictions(test)}: no predictions{of}", "make them with the commands peers and ours"
            )
        found[test] = {name: files[name] for name in systems or files}
    return score_files(folder, found, folder.train, scorer, progress)


def score_files(
    folder: BenchmarkFolder,
    found: Mapping[str, Mapping[str, Path]],
    train: Path,
    scorer: Scorer,
    progress: Progress,
) -> Tables:
    """Return the same tables for given files of predictions (test -> system -> file), all trained on `train`."""
    trained_tags = {normalise(tag) for row in read_table(train) for tag in row.tags}
    tables: Tables = {"recall": [], "bands": [], "scripts": []}
    total = 2 * sum(map(len, found.values()))
    with progress.track("score", total) as advance, tempfile.TemporaryDirectory() as name:
        for test, files in found.items():
            truth = folder.table(test)
            known = _known_truth(truth, trained_tags, scorer, Path(name) / f"{test}.parquet")
            for system, path in files.items():
                scores = scorer.score(truth, train, path)
                advance(1)
                among_known = scorer.score(known, train, path)
                advance(1)
                start = {"test": test, "system": system}
                try:
                    tables["recall"].append(start | _recall(scores, among_known))
                    tables["bands"] += [start | row for row in _bands(scores)]
                    tables["scripts"] += [start | row for row in _scripts(scores)]
                except KeyError as error:
                    raise VideotagError(f"{scorer.file}: its output has no key {error}") from error
    return tables


def _known_truth(truth: Path, trained_tags: set[str], scorer: Scorer, out: Path) -> Path:
    """Write the scorer's sample without the tags unseen in training; drop videos that are left without a tag."""
    rows = []
    for row in scorer.sampled(truth):
        video, tags = row.video, tuple(tag for tag in row.tags if normalise(tag) in trained_tags)
        if tags:
            rows.append(Row(video.video_id, video.title, video.description, tags, video.uploader_id))
    if not rows:
        raise InvalidManifestError(f"{truth}: training has seen none of its tags")
    write_table(rows, out)
    return out


def _recall(scores: TableRow, known: TableRow) -> TableRow:
    return {
        "videos": scores["videos"],
        "unanswered": scores["videos_without_prediction"],
        **{name: scores[name] for name in MEASURES},
        "R@200 known": known["R@200"],
        **{f"{name} 95%": "{}-{}".format(*scores[f"{name}_interval95"]) for name in ("P@5", "R@20")},
    }


def _bands(scores: TableRow) -> list[TableRow]:
    bands = scores["R@20_by_train_count"]
    return [{"train_videos": name, "pairs": band["pairs"], "R@20": band["R@20"]} for name, band in bands.items()]


def _scripts(scores: TableRow) -> list[TableRow]:
    return [
        {"script": name, "videos": group["videos"], "P@5": group["P@5"], "R@20": group["R@20"]}
        for name, group in scores["by_title_script"].items()
        if group["videos"]
    ]
