"""Evaluation of a bundle on labelled videos it has not learnt from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from rank.evaluate import ranking_row, system_row
from rank.select import select
from recall.evaluate import Proposal, recall_row
from tagging.catalog import TagCatalog
from tagging.config import SelectConfig
from tagging.errors import InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.manifest import read_labelled
from tagging.pipeline import Recaller, check_encoders, load_ranker
from tagging.progress import Progress
from tagging.splits import is_held_out
from tagging.store.bundle import BundleManifest, read_manifest
from tagging.store.features import FeatureStore
from tagging.types import Candidates, LabelledVideo, ModalityFeatures, RankInput, TagScores
from tagging.words import normalise

Rows = NDArray[np.int64]
Row = dict[str, str | float | int]
AT_ONCE = 256
DEEPEST = 200  # of the written predictions
EVERYTHING = SelectConfig(max_tags=1_000_000, min_confidence=0.0)


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The three tables, and what they rest on. Where labels are incomplete, a wrong tag may be a missing label."""

    bundle: str
    videos: int  # with at least one tag, all of which are scored
    videos_without_tags: int
    videos_without_features: int  # scored as videos without an answer
    recall: list[Row]
    ranking: list[Row]
    systems: list[Row]


def evaluate(
    bundle: Path,
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    store: FeatureStore,
    progress: Progress,
    *,
    held_out: bool = False,
    split: str | None = None,
    predictions: TextIO | None = None,
) -> EvaluationReport:
    """Score a bundle on the videos of the manifests, all of them or those that `held_out` and `split` choose.

    predictions: where to write the 200 best tags of each video, a JSON line a video.
    Raises InvalidManifestError where a video is one of those the bundle learnt from, or none is left.
    """
    stated = read_manifest(bundle)
    rows = _choose(list(read_labelled(manifests, columns)), stated, held_out, split)
    tagged = [row for row in rows if any(tag.strip() for tag in row.tags)]
    recaller = Recaller(bundle, stated)
    _refuse_learnt(tagged, recaller, stated)
    if not tagged:
        raise InvalidManifestError("no video with a tag is left to evaluate on")

    encoders = load_encoders(stated.config.encoders)
    check_encoders(stated, encoders)
    videos = [row.video for row in tagged]
    with_beliefs = stated.names is not None
    extraction = extract(videos, encoders, stated.config.media, store, progress, with_beliefs=with_beliefs)
    truth = _truth(tagged, recaller.catalog)
    names = [channel.name for channel in recaller.channels]
    by_channel: dict[str, list[Proposal]] = {name: [] for name in [*names, "union"]}
    ranked: list[Rows] = []
    answered: list[Rows] = []
    ranker = load_ranker(stated)
    with progress.track("recall and rank", len(tagged)) as advance:
        for start in range(0, len(tagged), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            candidates = recaller.recall(extraction.embeddings[some])
            scores = ranker.score(_inputs(tagged[some], candidates))
            for row, true, one, score, embeddings in zip(
                tagged[some], truth[some], candidates, scores, extraction.embeddings[some], strict=True
            ):
                order = one.tag_rows[select(one, score, EVERYTHING)]
                for name in names:
                    by_channel[name].append(Proposal(_channel_order(one, name), true))
                by_channel["union"].append(Proposal(order if embeddings.rows else None, true))
                ranked.append(order)
                answered.append(one.tag_rows[select(one, score, stated.config.select)])
                if predictions is not None:
                    _write_prediction(predictions, row, one, score, recaller.catalog)
            advance(len(candidates))

    system = "recall + noisy-or"
    return EvaluationReport(
        bundle=stated.version,
        videos=len(tagged),
        videos_without_tags=len(rows) - len(tagged),
        videos_without_features=sum(not e.rows for e in extraction.embeddings),
        recall=[recall_row(name, proposals) for name, proposals in by_channel.items()],
        ranking=[ranking_row(system, ranked, truth)],
        systems=[system_row(system, answered, truth)],
    )


def _choose(
    rows: Sequence[LabelledVideo], stated: BundleManifest, held_out: bool, split: str | None
) -> list[LabelledVideo]:
    training = stated.config.training
    if held_out and not training.holdout:
        raise InvalidManifestError(
            "this bundle was trained without a holdout", "evaluate on another manifest, or train with --holdout 0.1"
        )
    return [
        row
        for row in rows
        if (split is None or row.split == split)
        and (not held_out or is_held_out(row.video, training.holdout, training.seed))
    ]


def _refuse_learnt(rows: Sequence[LabelledVideo], recaller: Recaller, stated: BundleManifest) -> None:
    learnt = set(recaller.labelled.ids)
    known = [row.video.video_id for row in rows if row.video.video_id in learnt]
    if known:
        has_holdout = stated.config.training.holdout > 0
        raise InvalidManifestError(
            f"{len(known)} of the {len(rows)} videos are ones the bundle learnt from, {known[0]!r} for one: "
            "their figures would mean nothing",
            "add --held-out to score only what training kept aside" if has_holdout else "evaluate on other videos",
        )


def _truth(rows: Sequence[LabelledVideo], catalog: TagCatalog) -> list[Rows]:
    row_of = catalog.rows_by_normalised()
    truth = []
    for row in rows:
        forms = dict.fromkeys(filter(None, map(normalise, row.tags)))
        known = dict.fromkeys(row_of[form] for form in forms if form in row_of)  # spellings of one tag count once
        unknown = sum(form not in row_of for form in forms)
        truth.append(np.array([*known, *[-1] * unknown], np.int64))
    return truth


def _inputs(rows: Sequence[LabelledVideo], candidates: Sequence[Candidates]) -> list[RankInput]:
    return [RankInput(row.video, ModalityFeatures(), one) for row, one in zip(rows, candidates, strict=True)]


def _channel_order(candidates: Candidates, channel: str) -> Rows | None:
    if channel not in candidates.neighbours:
        return None
    scores = candidates.scores[:, candidates.channels.index(channel)]
    order = np.lexsort((candidates.tag_rows, -np.nan_to_num(scores, nan=-1.0)))
    return candidates.tag_rows[order[: np.isfinite(scores).sum()]]


def _write_prediction(
    out: TextIO, row: LabelledVideo, candidates: Candidates, scores: TagScores, catalog: TagCatalog
) -> None:
    best = select(candidates, scores, SelectConfig(max_tags=DEEPEST, min_confidence=0.0))
    tags = [
        {"name": catalog.names[candidates.tag_rows[place]], "confidence": round(float(scores.confidences[place]), 6)}
        for place in best
    ]
    out.write(json.dumps({"video_id": row.video.video_id, "tags": tags}, ensure_ascii=False) + "\n")
