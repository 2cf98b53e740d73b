"""Ablation study of the recall model: one training per removed part, measured on the same tests as the whole model.

    FOLDER/ablation/settings.json            settings common to all parts; a folder with other settings is refused
                    train.parquet            training videos, unless all of FOLDER/train.parquet is used
                    PART/config.toml         the difference of the part, laid over the configuration of the whole
                    PART/predictions/TEST/   complete or absent, so a killed run resumes after the finished ones

A bundle is deleted as soon as its predictions are written.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagging.bundle.sealed import file_sha256
from tagging.config.profiles import load_config
from tagging.config.root import Config
from tagging.errors import InvalidConfigError, InvalidManifestError
from tagging.files.atomic import atomic_folder
from tagging.progress import Progress
from tagging.splits import is_held_out
from tagging.tools.benchmarks.folder import BenchmarkFolder, as_row, read_table, write_table
from tagging.tools.benchmarks.predictions import prediction_files
from tagging.tools.benchmarks.score import TableRow, Tables, score_files
from tagging.tools.benchmarks.scorer import Scorer
from tagging.tools.benchmarks.settings import keep_settings
from tagging.tools.benchmarks.videotag import COMMAND, VideotagOptions, predict, train
from tagging.types import LabelledVideo

logger = logging.getLogger(__name__)

WHOLE = "whole"
# Without a ranker, whose order would hide the contribution of a part of recall.
RECALL_ALONE = '[rank.ranker]\nbackend = "none"\n'
# Part -> its lines under [recall.learnt]; nothing else differs.
PARTS = {
    WHOLE: "",
    "no-linear": "linear = 0.0",
    "no-similarity": "similarity = 0.0",
    "no-regression": 'regression = {backend = "none"}',
    "with-names": 'tag_views = ["text"]',
    "with-graph": 'tag_views = ["graph"]',
    "no-ngrams": 'ngrams = {backend = "none"}',
    "no-contrastive": "contrastive = 0.0",
    "decoupled": 'loss = "decoupled"',
    "asymmetric": 'loss = "asymmetric"',
}
LEARNT = ("classifier", "regression", "similarity", "multimodal")  # channels that only a trained model has
SYSTEMS = (*LEARNT, "union")
MEASURES = ("R@20", "R@200", "R@200 known", "P@5")
# Seed of the draw. It differs from the seeds of the split and of training; otherwise the training holdout would be
# drawn from the very same uploaders.
SEED = 2027


@dataclass(frozen=True, slots=True)
class AblationOptions:
    out: Path
    videos: int | None = None  # approximate number of training videos; None: all
    profile: str = "offline"
    configs: tuple[Path, ...] = ()  # of the whole model
    features: Path | None = None
    command: Sequence[str] = COMMAND


def ablate(
    folder: BenchmarkFolder,
    tests: Mapping[str, Sequence[LabelledVideo]],
    parts: Sequence[str],
    scorer: Scorer,
    options: AblationOptions,
    progress: Progress,
) -> Tables:
    """Return a table per test and measure: a row per part with each channel and its difference from the whole model.

    The whole model is always among the parts. A cell is None where the part has no such channel. Raises
    InvalidConfigError if the configuration of a part equals that of the whole, OutputExistsError if `out` holds an
    ablation with other settings, InvalidManifestError if there is nothing to learn from, and the errors of training
    and of the scorer.
    """
    parts = [part for part in PARTS if part in {WHOLE, *parts}]
    configs = {part: configuration(part, options) for part in parts}
    for part in parts:
        if part != WHOLE and configs[part] == configs[WHOLE]:
            raise InvalidConfigError(f"{part}: equal to the whole configuration", "choose other parts with --part")
    _keep_settings(folder, configs[WHOLE], scorer, options)
    training_table = _drawn(folder.train, options)
    for part in parts:
        logger.info("part: %s", part)
        _predict(part, training_table, tests, options)
        if part == WHOLE:
            _require_learnt(training_table, tests, options.out)
    files_of = {test: _files(parts, test, options.out) for test in tests}
    return _compared(score_files(folder, files_of, training_table, scorer, progress)["recall"])


def configuration(part: str, options: AblationOptions) -> Config:
    """Write the overlay file of a part and return the configuration of its training."""
    overlay = _overlay(part, options.out)
    overlay.parent.mkdir(parents=True, exist_ok=True)
    overlay.write_text(f"{RECALL_ALONE}[recall.learnt]\n{PARTS[part]}\n", encoding="utf-8")
    if load_config(options.profile, *options.configs).recall.learnt is None:
        raise InvalidConfigError("the configuration has no trained recall model to ablate")
    return load_config(options.profile, *options.configs, overlay)


def draw(videos: Sequence[LabelledVideo], count: int, seed: int = SEED) -> list[LabelledVideo]:
    """Draw about `count` of the tagged videos, whole uploaders by hash; return all if there are no more than that."""
    tagged = [row for row in videos if row.tags]
    if count >= len(tagged):
        return tagged
    return [row for row in tagged if is_held_out(row.video, count / len(tagged), seed)]


def _keep_settings(folder: BenchmarkFolder, whole: Config, scorer: Scorer, options: AblationOptions) -> None:
    settings: dict[str, Any] = {"train": file_sha256(folder.train), "videos": options.videos, "draw": SEED}
    settings |= {"sample": scorer.sample, "seed": scorer.seed, "config": whole.model_dump(mode="json")}
    keep_settings(options.out / "settings.json", settings, "choose another folder with --out")


def _drawn(table: Path, options: AblationOptions) -> Path:
    if options.videos is None:
        return table
    path = options.out / "train.parquet"
    if not path.exists():
        videos = draw(read_table(table), options.videos)
        if not videos:
            raise InvalidManifestError(
                f"{table}: a draw of {options.videos} videos selects no uploader", "raise --videos"
            )
        logger.info("drawn: %d tagged videos", len(videos))
        write_table(map(as_row, videos), path)
    return path


def _predict(
    part: str, training_table: Path, tests: Mapping[str, Sequence[LabelledVideo]], options: AblationOptions
) -> None:
    bundle = options.out / part / "bundle"
    configs = (*options.configs, _overlay(part, options.out))
    videotag = VideotagOptions(bundle, options.profile, configs, options.features, options.command)
    for test, videos in tests.items():
        folder = _predictions(part, test, options.out)
        if not folder.exists():
            train(training_table, videotag)
            with atomic_folder(folder) as partial:
                predict(videos, partial, videotag)
    shutil.rmtree(bundle, ignore_errors=True)


def _require_learnt(training_table: Path, tests: Mapping[str, object], out: Path) -> None:
    """Check that the whole model learnt something: with too few videos it does not, and all parts would be equal."""
    for test in tests:
        if not any(f"videotag-{name}" in prediction_files(_predictions(WHOLE, test, out)) for name in LEARNT):
            raise InvalidManifestError(
                f"{training_table}: no recall model was trained on it", "see the training log above"
            )


def _files(parts: Sequence[str], test: str, out: Path) -> dict[str, Path]:
    """Map "PART SYSTEM" to its file of predictions."""
    return {
        f"{part} {system}": files[f"videotag-{system}"]
        for part in parts
        for files in [prediction_files(_predictions(part, test, out))]
        for system in SYSTEMS
        if f"videotag-{system}" in files
    }


def _compared(rows: Sequence[TableRow]) -> Tables:
    measured = {(row["test"], *row["system"].split(" ")): row for row in rows}
    tables: Tables = {}
    for test in dict.fromkeys(row["test"] for row in rows):
        parts = dict.fromkeys(part for of_test, part, _ in measured if of_test == test)
        for measure in MEASURES:
            tables[f"{test}: {measure}"] = table = []
            for part in parts:
                cells: TableRow = {"part": part}
                for system in SYSTEMS:
                    value, whole = (measured.get((test, name, system), {}).get(measure) for name in (part, WHOLE))
                    cells[system] = value
                    cells[f"{system} vs whole"] = None if value is None or whole is None else round(value - whole, 4)
                table.append(cells)
    return tables


def _overlay(part: str, out: Path) -> Path:
    return out / part / "config.toml"


def _predictions(part: str, test: str, out: Path) -> Path:
    return out / part / "predictions" / test
