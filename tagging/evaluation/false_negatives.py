"""How many negatives are no negatives: labels are mostly missing, and a hard negative is often one that nobody gave.

Some known labels are hidden from a training. Of the negatives that each source draws, the share that are hidden labels
is measured, and what the relative-margin filter leaves out of these and of the others. Labels that nobody gave cannot
be counted so: a sample of pairs is written out for a person to judge, with what the ranker makes of each beside it.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rank.contrastive import TagScorer
from rank.loss import false_negative_mask
from rank.negatives import SOURCES, NegativeSample, NegativeSampler
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.random_streams import Stream
from tagging.config.root import Config
from tagging.errors import InvalidConfigError, InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.files.atomic import atomic_text_file
from tagging.maintenance.review_table import cell, require_new_table
from tagging.manifest import read_labelled
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.text import normalise
from tagging.training.trial import build_trial_data
from tagging.types import LabelledVideo

HIDDEN = 0.2  # of the labels of a video that has LEAST or more
LEAST = 3
BATCHES = 100
WRITTEN = 200  # pairs
COLUMNS = ("source", "title", "tag", "cosine", "true_mean_cosine", "left_out", "hidden_label", "is_right")

Rows = NDArray[np.int64]
Row = dict[str, str | float | int]


@dataclass(frozen=True, slots=True)
class FalseNegativeReport:
    videos: int
    hidden: int  # labels
    table: list[Row]  # a row a source
    sample: str


def measure_false_negatives(
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    config: Config,
    store: FeatureStore,
    progress: Progress,
    out: Path,
) -> FalseNegativeReport:
    """Train a ranker without the hidden labels, and look at what it was told apart from; the sample goes to `out`.

    Raises OutputExistsError before any work where `out` exists, InvalidConfigError without a ranker in the
    configuration, InvalidManifestError where no label can be hidden.
    """
    require_new_table(out)
    ranker, seed = config.rank.ranker, config.training.seed
    if ranker is None:
        raise InvalidConfigError("nothing to audit", "the configuration needs a ranker")
    rows = [row for row in read_labelled(manifests, columns) if any(tag.strip() for tag in row.tags)]
    generator = np.random.default_rng([seed, Stream.FALSE_NEGATIVE_AUDIT])
    shown = [_without_some(row, generator) for row in rows]
    catalog, tags = build_catalog([row.tags for row in shown], config.training.min_tag_count)
    known = catalog.rows_by_spelling
    hidden = [_rows(row, known) - _rows(less, known) for row, less in zip(rows, shown, strict=True)]
    if not any(hidden):
        raise InvalidManifestError(f"no video has {LEAST} tags or more, of which one could be hidden")
    videos = [row.video for row in rows]
    extraction = extract(videos, load_encoders(config.encoders), config.media, store, progress, with_tokens=True)
    taught = build_trial_data(videos, extraction, LabelledVideos.of(videos, tags), catalog, config, ranker, progress)
    prepared = taught.build_rank_data
    rows, hidden = ([of_all[row] for row in taught.rows.tolist()] for of_all in (rows, hidden))
    scorer = prepared.train(ranker, seed, progress, taught.recalled)
    vectors = scorer.encoder.encode_videos(prepared.data.text, prepared.data.media)
    negatives = prepared.negatives(ranker.negatives, taught.recalled)
    pairs = _drawn(negatives, vectors, scorer, hidden, ranker.batch, ranker.negatives.margin, generator)
    found = {name: np.concatenate(some) for name, some in pairs.items()}
    _write(out, found, rows, catalog, generator)
    return FalseNegativeReport(len(rows), sum(map(len, hidden)), [_row(*one) for one in found.items()], str(out))


# Of each drawn pair: video, tag, cosine, mean cosine of the video's true tags, left out, a hidden label.
_PAIR = np.dtype([("video", "i8"), ("tag", "i8"), ("cosine", "f4"), ("true", "f4"), ("out", "?"), ("hidden", "?")])


def _drawn(
    negatives: NegativeSampler,
    vectors: NDArray[np.float32],
    scorer: TagScorer,
    hidden: Sequence[set[int]],
    batch: int,
    margin: float,
    generator: np.random.Generator,
) -> dict[str, list[NDArray[Any]]]:
    pairs: dict[str, list[NDArray[Any]]] = {}
    for _ in range(BATCHES):
        rows = np.sort(generator.choice(len(vectors), min(batch, len(vectors)), replace=False))
        draw = negatives.draw(rows, generator)
        cosines = vectors[rows] @ scorer.tag_vectors[draw.tags].T
        true = (torch.from_numpy(draw.pairs[0]), torch.from_numpy(draw.pairs[1]))
        out = false_negative_mask(torch.from_numpy(cosines), true, margin).numpy()
        for place, name in enumerate(SOURCES):
            video, column = np.nonzero(draw.source == place)
            if not len(video):
                continue
            some = np.zeros(len(video), _PAIR)
            some["video"], some["tag"] = rows[video], draw.tags[column]
            some["cosine"], some["out"] = cosines[video, column], out[video, column]
            some["true"] = _true_means(draw, cosines)[video]
            some["hidden"] = [tag in hidden[one] for one, tag in zip(some["video"], some["tag"], strict=True)]
            pairs.setdefault(name, []).append(some)
    return pairs


def _true_means(draw: NegativeSample, cosines: NDArray[np.float32]) -> NDArray[np.float64]:
    videos, places = draw.pairs
    sums = np.bincount(videos, cosines[videos, places], minlength=len(cosines))
    return np.asarray(sums / np.maximum(np.bincount(videos, minlength=len(cosines)), 1))


def _row(name: str, pairs: NDArray[Any]) -> Row:
    missing = pairs["hidden"]
    return {
        "source": name,
        "drawn": len(pairs),
        "hidden_labels": int(missing.sum()),
        "share": round(float(missing.mean()), 6),
        "share_of_hidden_left_out": round(float(pairs["out"][missing].mean()), 4) if missing.any() else 0.0,
        "share_of_others_left_out": round(float(pairs["out"][~missing].mean()), 4) if (~missing).any() else 0.0,
    }


def _write(
    out: Path,
    found: Mapping[str, NDArray[Any]],
    rows: Sequence[LabelledVideo],
    catalog: TagCatalog,
    generator: np.random.Generator,
) -> None:
    """WRITTEN pairs, as many of each source; `is_right` is for a person to fill in."""
    with atomic_text_file(out) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for name, pairs in found.items():
            many = min(len(pairs), WRITTEN // len(found))
            for pair in pairs[np.sort(generator.choice(len(pairs), many, replace=False))]:
                title, tag = rows[pair["video"]].video.text, catalog.names[pair["tag"]]
                figures = (f"{pair['cosine']:.3f}", f"{pair['true']:.3f}", bool(pair["out"]), bool(pair["hidden"]))
                table.writerow([name, cell(title), cell(tag), *figures, ""])


def _without_some(row: LabelledVideo, generator: np.random.Generator) -> LabelledVideo:
    if len(row.tags) < LEAST:
        return row
    kept = generator.random(len(row.tags)) >= HIDDEN
    kept[int(generator.integers(len(kept)))] = True
    return replace(row, tags=tuple(_only(row.tags, kept)))


def _only(tags: Sequence[str], kept: NDArray[np.bool_]) -> Iterator[str]:
    return (tag for tag, is_kept in zip(tags, kept, strict=True) if is_kept)


def _rows(row: LabelledVideo, known: Mapping[str, int]) -> set[int]:
    return {known[form] for form in map(normalise, row.tags) if form in known}
