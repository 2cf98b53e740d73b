"""Evaluation of a bundle on labelled videos it has not learnt from."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rank.precision_control import HeldOutPredictions
from rank.reliability import reliability
from recall.channels.uploader import UploaderTags
from recall.evaluate import Proposal, lost_without, recall_row
from tagging.bundle.files import read_manifest
from tagging.bundle.labelled_videos import uploader_numbers
from tagging.bundle.manifest import BundleManifest
from tagging.errors import InvalidManifestError
from tagging.evaluation.calibration import calibration_row, precision_rows
from tagging.evaluation.predictions import PredictionCollector, Row, true_tags
from tagging.evaluation.reliability_figure import draw_reliability, require_figure
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.manifest import read_labelled
from tagging.pipeline.load import check_encoders, load_held_out_predictions, load_ranker
from tagging.pipeline.rank_input import only
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.splits import is_held_out
from tagging.store.features import FeatureStore
from tagging.types import LabelledVideo, VideoEmbeddings

AT_ONCE = 256


logger = logging.getLogger(__name__)


TOLD = " with uploader"


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The tables, and what they rest on. Where labels are incomplete, a wrong tag may be a missing label."""

    bundle: str
    videos: int  # with at least one tag, all of which are scored
    videos_without_tags: int
    videos_without_features: int  # scored as videos without an answer
    recall: list[Row]
    ranking: list[Row]
    systems: list[Row]
    calibration: list[Row]  # of the tags that may be answered
    promises: list[Row]  # none for a bundle that kept no videos aside


def evaluate(
    bundle: Path,
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    store: FeatureStore,
    progress: Progress,
    *,
    held_out: bool = False,
    split: str | None = None,
    predictions: Path | None = None,
    figure: Path | None = None,
) -> EvaluationReport:
    """Score a bundle on the videos of the manifests, all of them or those that `held_out` and `split` choose.

    predictions: a folder for the 200 best tags of each video, a JSON line a video: union.jsonl, and CHANNEL.jsonl.
    figure: a PNG of the reliability diagram, written over where it is there
    Raises OutputUnwritableError before any work where no figure can be written, InvalidManifestError where a video is
    one of those the bundle learnt from, or none is left.
    """
    if figure is not None:
        require_figure(figure)
    stated = read_manifest(bundle)
    rows = _choose(list(read_labelled(manifests, columns)), stated, held_out, split)
    tagged = [row for row in rows if any(tag.strip() for tag in row.tags)]
    recall_stage = RecallStage.load(bundle, stated)
    _refuse_learnt(tagged, recall_stage, stated)
    if not tagged:
        raise InvalidManifestError("no video with a tag is left to evaluate on")

    encoders = load_encoders(stated.config.encoders)
    check_encoders(stated, encoders)
    videos = [row.video for row in tagged]
    with_beliefs = stated.names is not None
    extraction = extract(
        videos, encoders, stated.config.media, store, progress,
        with_beliefs=with_beliefs, with_tokens=stated.ranker is not None,
    )  # fmt: skip
    truth = true_tags(tagged, recall_stage.catalog)
    silent = [replace(video, uploader_id=None) for video in extraction.embeddings]
    tables: dict[str, Sequence[VideoEmbeddings]] = {
        "": silent
    }  # what is told of whose video it is changes what is measured, so it is measured apart
    if any(isinstance(channel, UploaderTags) for channel in recall_stage.channels):
        tables[TOLD] = extraction.embeddings
    with ExitStack() as stack, progress.track("recall and rank", len(tables) * len(tagged)) as advance:
        gathered = PredictionCollector(
            recall_stage, load_ranker(bundle, stated), stated.config.select, predictions, stack
        )
        for told, videos_told in tables.items():
            for start in range(0, len(tagged), AT_ONCE):
                some = np.arange(start, min(start + AT_ONCE, len(tagged)))
                rows_here = [(tagged[place], truth[place], videos_told[place]) for place in some.tolist()]
                gathered.add(told, rows_here, only(extraction.tokens, some))
                advance(len(some))

    measured = HeldOutPredictions.of(gathered.shown, uploader_numbers([video.uploader_id for video in videos]))
    reliable = reliability(measured.confidences, measured.right) if len(measured.confidences) else None
    if figure is not None and reliable is None:
        logger.warning("%s is not drawn: no video has a tag with a confidence", figure)
    elif figure is not None and reliable is not None:
        draw_reliability({gathered.systems.name: reliable}, figure)
    return EvaluationReport(
        bundle=stated.version,
        videos=len(tagged),
        videos_without_tags=len(rows) - len(tagged),
        videos_without_features=sum(not e.rows for e in extraction.embeddings),
        recall=_recall_table(gathered.proposals),
        ranking=gathered.systems.ranking(gathered.truths),
        systems=gathered.system_rows(),
        calibration=[] if reliable is None else [calibration_row(gathered.systems.name, reliable)],
        promises=precision_rows(load_held_out_predictions(bundle, stated), measured, stated),
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


def _refuse_learnt(rows: Sequence[LabelledVideo], recall_stage: RecallStage, stated: BundleManifest) -> None:
    voters = recall_stage.neighbour_store.voters
    known = [row.video.video_id for row in rows if voters.row_of(row.video.video_id) is not None]
    if known:
        has_holdout = stated.config.training.holdout > 0
        raise InvalidManifestError(
            f"{len(known)} of the {len(rows)} videos are ones the bundle learnt from, {known[0]!r} for one: "
            "their figures would mean nothing",
            "add --held-out to score only what training kept aside" if has_holdout else "evaluate on other videos",
        )


def _recall_table(proposals: Mapping[str, Sequence[Proposal]]) -> list[Row]:
    """A row a channel and union; a channel's says what the union would lose without it."""
    union = list(proposals).index("union")
    channels = {name: proposals[name] for name in list(proposals)[:union]}
    lost = lost_without(channels, proposals["union"])
    rows = [recall_row(name, some) for name, some in proposals.items()]
    return [row | {"lost_without": lost[str(row["channel"])]} if row["channel"] in lost else row for row in rows]
