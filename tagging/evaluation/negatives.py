"""What negatives are worth: the seed's Table 2, over several seeds, on videos kept from the training.

Every tag of the catalog is ranked by cosine alone, without recall and confidence, so that nothing else makes up for a
poor ranker. A hard pair is a true tag and one at two hops from the video's tags in the tag graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rank.contrastive import TagScorer
from rank.evaluate import hard_pair_accuracy, ranking_row
from rank.negatives import at_two_hops, top_edges
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.rank import NegativesConfig
from tagging.config.root import Config
from tagging.errors import InvalidConfigError, InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.manifest import read_labelled
from tagging.pipeline.rank_input import only
from tagging.progress import Progress
from tagging.ragged import Tokens
from tagging.splits import is_held_out
from tagging.store.features import FeatureStore
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.text import normalise
from tagging.training.rank_data import RankTrainingData
from tagging.training.trial import build_trial_data
from tagging.types import LabelledVideo, Modality

Rows = NDArray[np.int64]
Row = dict[str, str | float | int]
DEEPEST = 200
EXAMPLE_TAGS = 5
AT_ONCE = 64  # videos against the whole catalog


@dataclass(frozen=True, slots=True)
class NegativesReport:
    """A row a setting: means over the seeds, and as `_spread` their standard deviation."""

    videos: int  # learnt from
    tested: int
    tags: int
    table: list[Row]
    example: str  # title of a tested video
    example_tags: list[Row]  # its first tags under each setting, by the first seed


def settings(config: NegativesConfig) -> dict[str, NegativesConfig]:
    """What is compared: the seed's three, and the configuration's own, which by default are also drawn from recall."""
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
    """Train a ranker for each setting and seed on the manifests, and test it on the uploaders that are held out.

    example: a held-out video's id; None: the first.
    Raises InvalidConfigError without a ranker or a holdout in the configuration, InvalidManifestError where nothing is
    left to learn from or to test on.
    """
    ranker, training = config.rank.ranker, config.training
    if ranker is None or not training.holdout:
        raise InvalidConfigError("nothing to compare", "the configuration needs a ranker, and a holdout to test on")
    rows = [row for row in read_labelled(manifests, columns) if any(tag.strip() for tag in row.tags)]
    is_test = np.array([is_held_out(row.video, training.holdout, training.seed) for row in rows], np.bool_)
    learnt_from, tested = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    if not len(learnt_from) or not len(tested):
        raise InvalidManifestError(f"{len(learnt_from)} videos to learn from, {len(tested)} to test on")
    shown = _example(rows, tested, example)
    extraction = extract(
        [row.video for row in rows], load_encoders(config.encoders), config.media, store, progress, with_tokens=True
    )
    known = [rows[place] for place in learnt_from.tolist()]
    catalog, tags = build_catalog([row.tags for row in known], training.min_tag_count)
    labelled = LabelledVideos.of([row.video for row in known], tags)
    taught = build_trial_data(
        [row.video for row in known], extraction.only(learnt_from), labelled, catalog, config, ranker, progress
    )
    prepared = taught.build_rank_data
    test = _Test.of([rows[place] for place in tested.tolist()], only(extraction.tokens, tested), catalog, prepared)
    table, examples = [], []
    for name, negatives in settings(ranker.negatives).items():
        own = ranker.model_copy(update={"negatives": negatives})
        found: list[Row] = []
        for seed in seeds:
            scorer = prepared.train(own, seed, progress, taught.recalled)
            if not found:
                examples.append(test.example(name, scorer, shown, catalog))
            found.append(test.figures(name, scorer))
        table.append(_over_seeds(name, found))
    return NegativesReport(
        len(taught.rows), len(tested), len(catalog), table, rows[tested[shown]].video.title, examples
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Test:
    rows: Sequence[LabelledVideo]
    text: Tokens
    media: Mapping[Modality, Tokens]
    true: list[Rows]  # of the catalog, and -1 for each tag outside it
    hard: list[Rows]

    @classmethod
    def of(
        cls,
        rows: Sequence[LabelledVideo],
        tokens: Mapping[Modality, Tokens],
        catalog: TagCatalog,
        prepared: RankTrainingData,
    ) -> "_Test":
        row_of = catalog.rows_by_spelling
        true = []
        for row in rows:
            forms = dict.fromkeys(filter(None, map(normalise, row.tags)))
            true.append(np.array([*dict.fromkeys(row_of.get(form, -1 - n) for n, form in enumerate(forms))], np.int64))
        edges = top_edges(prepared.edges, NegativesConfig().edges)
        hard = [at_two_hops(edges, known[known >= 0]) for known in true]
        text = prepared.encoder.encode_texts([row.video.text for row in rows])
        return cls(rows, text, tokens, [np.maximum(one, -1) for one in true], hard)

    def figures(self, name: str, scorer: TagScorer) -> Row:
        vectors = scorer.encoder.encode_videos(self.text, self.media)
        ranked: list[Rows] = []
        above: list[float] = []
        for start in range(0, len(vectors), AT_ONCE):
            scores = vectors[start : start + AT_ONCE] @ scorer.tag_vectors.T
            for place, of_video in enumerate(scores, start):
                ranked.append(np.argsort(-of_video, kind="stable")[:DEEPEST])
                known = self.true[place][self.true[place] >= 0]
                share = hard_pair_accuracy(of_video, known, self.hard[place])
                above += [] if share is None else [share]
        row = ranking_row(name, ranked, self.true)
        row["hard_pairs"] = float(np.mean(above)) if above else float("nan")
        return row

    def example(self, name: str, scorer: TagScorer, place: int, catalog: TagCatalog) -> Row:
        one = np.array([place])
        media = {modality: tokens.only(one) for modality, tokens in self.media.items()}
        [vector] = scorer.encoder.encode_videos(self.text.only(one), media)
        best = np.argsort(-(scorer.tag_vectors @ vector), kind="stable")[:EXAMPLE_TAGS]
        said = [f"{catalog.names[row]}{' (right)' * bool(row in self.true[place])}" for row in best.tolist()]
        return {"negatives": name, "first_tags": ", ".join(said)}


def _example(rows: Sequence[LabelledVideo], tested: Rows, video_id: str | None) -> int:
    ids = [rows[place].video.video_id for place in tested.tolist()]
    if video_id is None:
        return 0
    if video_id not in ids:
        raise InvalidManifestError(f"{video_id!r} is none of the {len(ids)} videos that are tested")
    return ids.index(video_id)


def _over_seeds(name: str, found: Sequence[Row]) -> Row:
    row: Row = {"negatives": name, "seeds": len(found)}
    for figure in ("precision_at_1", "precision_at_5", "ndcg_at_10", "mrr", "hard_pairs"):
        values = np.array([float(one[figure]) for one in found])
        row[figure] = round(float(values.mean()), 4)
        row[f"{figure}_spread"] = round(float(values.std(ddof=1)), 4) if len(values) > 1 else 0.0
    return row
