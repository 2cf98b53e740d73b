"""Ablation of the ranker's negatives: number and hardness of negatives against ranking quality, over several seeds.

It repeats the comparison of negatives in "Multimodal Video Tagging: Challenges and a Two-Stage Recall-Ranking Solution"
(NetEase) on held-out uploaders. Every tag of the catalog is ranked by cosine alone, without recall and calibration, so
that nothing compensates for a poor ranker. A hard pair is a true tag and a tag at two hops from the video's tags in the
tag graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rank.contrastive import TagScorer
from rank.evaluate import hard_pair_accuracy, ranking_row
from rank.negatives import at_two_hops, top_edges
from tagging.config.rank import NegativesConfig
from tagging.config.root import Config
from tagging.errors import InvalidConfigError, InvalidManifestError
from tagging.features.extract import Extraction, extract
from tagging.features.factory import load_encoders
from tagging.manifests.read import read_labelled
from tagging.pipeline.rank_input import only
from tagging.progress import Progress
from tagging.ragged import Tokens
from tagging.splits import is_held_out
from tagging.store.features import FeatureStore
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.text.normalise import normalise
from tagging.training.rank_data import RankTrainingData, media_tokens
from tagging.training.training_set import TrainingSet
from tagging.training.trial import build_trial_data
from tagging.types import AnyModality, LabelledVideo

Rows = NDArray[np.int64]
Row = dict[str, str | float | int]
RANKED_TAGS = 200
EXAMPLE_TAGS = 5
BATCH_VIDEOS = 64  # scored against the whole catalog at once


@dataclass(frozen=True, slots=True)
class NegativesReport:
    """A table row per setting: means over the seeds, and as `_spread` their standard deviations."""

    videos: int  # trained on
    tested: int
    tags: int
    table: list[Row]
    example: str  # title of a test video
    example_tags: list[Row]  # its first tags under each setting, by the first seed


def settings(config: NegativesConfig) -> dict[str, NegativesConfig]:
    """Return the settings to compare: the three of the paper, and the configured one (default: recalled negatives)."""
    plain = config.model_copy(update={"drawn": 400, "by": "uniform", "two_hop": 0, "recalled": 0})
    return {
        "10": plain.model_copy(update={"drawn": 10}),
        "400": plain,
        "400 + 2-hop": plain.model_copy(update={"two_hop": max(40, config.two_hop)}),
        "configured": config,
    }


def ablate_negatives(
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    config: Config,
    store: FeatureStore,
    progress: Progress,
    seeds: Sequence[int],
    example: str | None = None,
) -> NegativesReport:
    """Train a ranker for each setting and seed on the manifests, and test it on the held-out uploaders.

    example: id of a held-out video; None: the first.
    Raises InvalidConfigError without a ranker or a holdout in the configuration, InvalidManifestError if nothing is
    left to train on or to test on.
    """
    ranker = config.rank.ranker
    if ranker is None or not config.training.holdout:
        raise InvalidConfigError("nothing to compare", "the configuration needs a ranker, and a holdout to test on")
    rows = [row for row in read_labelled(manifests, columns) if any(tag.strip() for tag in row.tags)]
    train_rows, test_rows = _split(rows, config)
    tested = [rows[row] for row in test_rows.tolist()]
    example_row = _find_example(tested, example)
    encoders = load_encoders(config.encoders)
    extraction = extract([row.video for row in rows], encoders, config.media, store, progress, with_tokens=True)
    training_set = _training_set(rows, train_rows, extraction, config)
    trial = build_trial_data(training_set, encoders.text, config, ranker, progress)
    test = _TestSet.of(tested, extraction.only(test_rows), training_set.catalog, trial.rank_data)
    table, examples = [], []
    for name, negatives in settings(ranker.negatives).items():
        setting = ranker.model_copy(update={"negatives": negatives})
        figures: list[Row] = []
        for seed in seeds:
            scorer = trial.rank_data.train(setting, seed, progress, trial.recalled)
            if not figures:
                examples.append(test.first_tags(name, scorer, example_row, training_set.catalog))
            figures.append(test.figures(name, scorer))
        table.append(_mean_row(name, figures))
    title = tested[example_row].video.title
    return NegativesReport(len(trial.rows), len(tested), len(training_set.catalog), table, title, examples)


def _split(rows: Sequence[LabelledVideo], config: Config) -> tuple[Rows, Rows]:
    """Return the rows to train on and those to test on."""
    training = config.training
    is_test = np.array([is_held_out(row.video, training.holdout, training.seed) for row in rows], np.bool_)
    train_rows, test_rows = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    if not len(train_rows) or not len(test_rows):
        raise InvalidManifestError(f"{len(train_rows)} videos to learn from, {len(test_rows)} to test on")
    return train_rows, test_rows


def _training_set(
    rows: Sequence[LabelledVideo], train_rows: Rows, extraction: Extraction, config: Config
) -> TrainingSet:
    trained_on = [rows[row] for row in train_rows.tolist()]
    catalog, tags = build_catalog([row.tags for row in trained_on], config.training.min_tag_count)
    return TrainingSet.of([row.video for row in trained_on], catalog, tags, extraction.only(train_rows))


@dataclass(frozen=True, slots=True, eq=False)
class _TestSet:
    """T videos whose true tags are known, as the ranker reads them."""

    text: Tokens  # T
    media: Mapping[AnyModality, Tokens]  # T each
    true: list[Rows]  # T, rows of the catalog, and -1 for each tag outside it
    hard: list[Rows]  # T, tags at two hops from the true ones

    @classmethod
    def of(
        cls,
        rows: Sequence[LabelledVideo],
        extraction: Extraction,
        catalog: TagCatalog,
        rank_data: RankTrainingData,
    ) -> "_TestSet":
        row_of = catalog.rows_by_spelling
        true: list[Rows] = []
        for row in rows:
            spellings = dict.fromkeys(filter(None, map(normalise, row.tags)))
            known = dict.fromkeys(row_of[spelling] for spelling in spellings if spelling in row_of)
            unknown = sum(spelling not in row_of for spelling in spellings)
            true.append(np.array([*known, *[-1] * unknown], np.int64))
        edges = top_edges(rank_data.edges, NegativesConfig().edges)
        hard = [at_two_hops(edges, tag_rows[tag_rows >= 0]) for tag_rows in true]
        videos, texts = extraction.embeddings, rank_data.texts
        return cls(texts.of_videos(videos), media_tokens(extraction.tokens, videos, texts), true, hard)

    def figures(self, name: str, scorer: TagScorer) -> Row:
        """Return the ranking metrics of a scorer, and, if any video has a hard tag, its accuracy on hard pairs."""
        vectors = scorer.encoder.encode_videos(self.text, self.media)
        ranked: list[Rows] = []
        accuracies: list[float] = []
        for start in range(0, len(vectors), BATCH_VIDEOS):
            batch_scores = vectors[start : start + BATCH_VIDEOS] @ scorer.tag_vectors.T
            for row, scores in enumerate(batch_scores, start):
                ranked.append(np.argsort(-scores, kind="stable")[:RANKED_TAGS])
                accuracy = hard_pair_accuracy(scores, self.true[row][self.true[row] >= 0], self.hard[row])
                if accuracy is not None:
                    accuracies.append(accuracy)
        figures = ranking_row(name, ranked, self.true)
        return figures | ({"hard_pairs": float(np.mean(accuracies))} if accuracies else {})

    def first_tags(self, name: str, scorer: TagScorer, row: int, catalog: TagCatalog) -> Row:
        """Return a table row with the first tags of one video."""
        rows = np.array([row])
        [vector] = scorer.encoder.encode_videos(self.text.only(rows), only(self.media, rows))
        best = np.argsort(-(scorer.tag_vectors @ vector), kind="stable")[:EXAMPLE_TAGS]
        names = [f"{catalog.names[tag]}{' (right)' * bool(tag in self.true[row])}" for tag in best.tolist()]
        return {"negatives": name, "first_tags": ", ".join(names)}


def _find_example(tested: Sequence[LabelledVideo], video_id: str | None) -> int:
    """Return the row of the video among the tested ones."""
    if video_id is None:
        return 0
    ids = [row.video.video_id for row in tested]
    if video_id not in ids:
        raise InvalidManifestError(f"{video_id!r} is not among the {len(ids)} test videos")
    return ids.index(video_id)


def _mean_row(name: str, figures: Sequence[Row]) -> Row:
    """Return the means over the seeds and their standard deviations."""
    row: Row = {"negatives": name, "seeds": len(figures)}
    for figure in ("precision_at_1", "precision_at_5", "ndcg_at_10", "mrr", "hard_pairs"):
        values = np.array([float(of_seed[figure]) for of_seed in figures if figure in of_seed])
        if not len(values):
            continue
        row[figure] = round(float(values.mean()), 4)
        row[f"{figure}_spread"] = round(float(values.std(ddof=1)), 4) if len(values) > 1 else 0.0
    return row
