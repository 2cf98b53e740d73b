"""False negatives of the ranker's training: tags sampled as negatives of a video although they apply to it.

Labels are mostly missing, and a hard negative is often an applicable tag that was not given. Some known labels are
hidden from a training. The report counts the share of hidden labels among the negatives of each source, and the share
of these and of other negatives that the relative-margin filter excludes. Labels that are missing in the data cannot be
counted this way: a sample of pairs is written for a person to review, with the ranker's scores.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rank.contrastive import TagScorer
from rank.loss import false_negative_mask
from rank.negatives import SOURCES, NegativeSample, NegativeSampler
from tagging.config.random_streams import Stream
from tagging.config.rank import RankerConfig
from tagging.config.root import Config
from tagging.errors import InvalidConfigError, InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.files.atomic import atomic_text_file
from tagging.maintenance.review_table import cell, require_new_table
from tagging.manifests.read import read_labelled
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.text.normalise import normalise
from tagging.training.training_set import TrainingSet
from tagging.training.trial import TrialData, build_trial_data
from tagging.types import LabelledVideo

HIDDEN_SHARE = 0.2  # of the labels of a video that has MIN_TAGS or more
MIN_TAGS = 3
BATCHES = 100
SAMPLE_PAIRS = 200
COLUMNS = ("source", "title", "tag", "cosine", "true_mean_cosine", "left_out", "hidden_label", "is_right")

# A drawn pair: video, tag, cosine, mean cosine of the video's true tags, excluded by the filter, a hidden label.
PAIR = np.dtype([("video", "i8"), ("tag", "i8"), ("cosine", "f4"), ("true", "f4"), ("out", "?"), ("hidden", "?")])

Pairs = NDArray[Any]  # of PAIR
Row = dict[str, str | float | int]


@dataclass(frozen=True, slots=True)
class FalseNegativeReport:
    videos: int
    hidden: int  # labels
    table: list[Row]  # a row per source
    sample: str  # path of the table to review


def measure_false_negatives(
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    config: Config,
    store: FeatureStore,
    progress: Progress,
    out: Path,
) -> FalseNegativeReport:
    """Train a ranker without the hidden labels and inspect the negatives that it draws; write the sample to `out`.

    Raises OutputExistsError before any work if `out` exists, InvalidConfigError without a ranker in the configuration,
    InvalidManifestError if no label can be hidden.
    """
    require_new_table(out)
    ranker, seed = config.rank.ranker, config.training.seed
    if ranker is None:
        raise InvalidConfigError("nothing to audit", "the configuration needs a ranker")
    rows = [row for row in read_labelled(manifests, columns) if any(tag.strip() for tag in row.tags)]
    generator = np.random.default_rng([seed, Stream.FALSE_NEGATIVE_AUDIT])
    labelled = [_hide_some(row, generator) for row in rows]
    catalog, tags = build_catalog([row.tags for row in labelled], config.training.min_tag_count)
    row_of = catalog.rows_by_spelling
    hidden = [_tag_rows(row, row_of) - _tag_rows(less, row_of) for row, less in zip(rows, labelled, strict=True)]
    if not any(hidden):
        raise InvalidManifestError(f"no video has {MIN_TAGS} tags or more, of which one could be hidden")
    videos = [row.video for row in rows]
    encoders = load_encoders(config.encoders)
    extraction = extract(videos, encoders, config.media, store, progress, with_tokens=True)
    training_set = TrainingSet.of(videos, catalog, tags, extraction)
    trial = build_trial_data(training_set, encoders.text, config, ranker, progress)
    trained_on = [rows[row] for row in trial.rows.tolist()]
    hidden = [hidden[row] for row in trial.rows.tolist()]
    scorer = trial.rank_data.train(ranker, seed, progress, trial.recalled)
    pairs = _draw_pairs(trial, scorer, hidden, ranker, generator)
    _write_sample(out, pairs, trained_on, catalog, generator)
    table = [_source_row(source, drawn) for source, drawn in pairs.items()]
    return FalseNegativeReport(len(trained_on), sum(map(len, hidden)), table, str(out))


def _draw_pairs(
    trial: TrialData,
    scorer: TagScorer,
    hidden: Sequence[set[int]],
    ranker: RankerConfig,
    generator: np.random.Generator,
) -> dict[str, Pairs]:
    """Draw the negatives of BATCHES random batches; return the pairs of each source that drew any."""
    data = trial.rank_data.data
    vectors = scorer.encoder.encode_videos(data.text, data.media)
    sampler = trial.rank_data.negatives(ranker.negatives, trial.recalled)
    pairs: dict[str, list[Pairs]] = {}
    for _ in range(BATCHES):
        rows = np.sort(generator.choice(len(vectors), min(ranker.batch, len(vectors)), replace=False))
        for source, drawn in _batch_pairs(sampler, rows, vectors, scorer, ranker.negatives.margin, generator).items():
            drawn["hidden"] = [tag in hidden[row] for row, tag in zip(drawn["video"], drawn["tag"], strict=True)]
            pairs.setdefault(source, []).append(drawn)
    return {source: np.concatenate(batches) for source, batches in pairs.items()}


def _batch_pairs(
    sampler: NegativeSampler,
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    scorer: TagScorer,
    margin: float,
    generator: np.random.Generator,
) -> dict[str, Pairs]:
    """Draw the negatives of one batch; return them by source, without the field `hidden`."""
    sample = sampler.sample(rows, generator)
    cosines = vectors[rows] @ scorer.tag_vectors[sample.tags].T
    positives = (torch.from_numpy(sample.positives[0]), torch.from_numpy(sample.positives[1]))
    excluded = false_negative_mask(torch.from_numpy(cosines), positives, margin).numpy()
    true_means = _true_means(sample, cosines)
    pairs: dict[str, Pairs] = {}
    for number, source in enumerate(SOURCES):
        video, column = np.nonzero(sample.source == number)
        if len(video):
            drawn = np.zeros(len(video), PAIR)
            drawn["video"], drawn["tag"] = rows[video], sample.tags[column]
            drawn["cosine"], drawn["out"] = cosines[video, column], excluded[video, column]
            drawn["true"] = true_means[video]
            pairs[source] = drawn
    return pairs


def _true_means(sample: NegativeSample, cosines: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (B,) the mean cosine of each video's true tags."""
    videos, columns = sample.positives
    sums = np.bincount(videos, cosines[videos, columns], minlength=len(cosines))
    return np.asarray(sums / np.maximum(np.bincount(videos, minlength=len(cosines)), 1))


def _source_row(source: str, pairs: Pairs) -> Row:
    hidden = pairs["hidden"]
    return {
        "source": source,
        "drawn": len(pairs),
        "hidden_labels": int(hidden.sum()),
        "share": round(float(hidden.mean()), 6),
        "share_of_hidden_left_out": round(float(pairs["out"][hidden].mean()), 4) if hidden.any() else 0.0,
        "share_of_others_left_out": round(float(pairs["out"][~hidden].mean()), 4) if (~hidden).any() else 0.0,
    }


def _write_sample(
    out: Path,
    pairs: Mapping[str, Pairs],
    rows: Sequence[LabelledVideo],
    catalog: TagCatalog,
    generator: np.random.Generator,
) -> None:
    """Write SAMPLE_PAIRS pairs, equally many of each source, with an empty column `is_right` for a person."""
    with atomic_text_file(out) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for source, drawn in pairs.items():
            count = min(len(drawn), SAMPLE_PAIRS // len(pairs))
            for pair in drawn[np.sort(generator.choice(len(drawn), count, replace=False))]:
                title, tag = rows[pair["video"]].video.text, catalog.names[pair["tag"]]
                figures = (f"{pair['cosine']:.3f}", f"{pair['true']:.3f}", bool(pair["out"]), bool(pair["hidden"]))
                table.writerow([source, cell(title), cell(tag), *figures, ""])


def _hide_some(row: LabelledVideo, generator: np.random.Generator) -> LabelledVideo:
    """Return the video without some of its tags, at least one of which stays."""
    if len(row.tags) < MIN_TAGS:
        return row
    kept = generator.random(len(row.tags)) >= HIDDEN_SHARE
    kept[int(generator.integers(len(kept)))] = True
    return replace(row, tags=tuple(tag for tag, is_kept in zip(row.tags, kept, strict=True) if is_kept))


def _tag_rows(row: LabelledVideo, row_of: Mapping[str, int]) -> set[int]:
    return {row_of[spelling] for spelling in map(normalise, row.tags) if spelling in row_of}
