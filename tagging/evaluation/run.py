"""Evaluation of a bundle on labelled videos that it was not trained on."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rank.precision_control import HeldOutPredictions
from rank.reliability import Reliability, reliability
from recall.channels.uploader import UploaderTags
from recall.evaluate import Proposal, lost_without, recall_row
from tagging.bundle.labelled_videos import uploader_numbers
from tagging.bundle.manifest import BUNDLE, BundleManifest
from tagging.config.encoders import RuntimeName
from tagging.errors import InvalidManifestError
from tagging.evaluation.calibration import calibration_row, precision_rows
from tagging.evaluation.predictions import EvaluationVideo, PredictionCollector, PredictionWriter, Row, true_tags
from tagging.evaluation.reliability_figure import draw_reliability, require_figure
from tagging.features.extract import Extraction, extract
from tagging.features.factory import Encoders, load_encoders
from tagging.manifests.read import read_labelled
from tagging.pipeline.load import check_encoders, load_held_out_predictions, load_ranker
from tagging.pipeline.rank_input import only
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.splits import is_held_out
from tagging.store.features import FeatureStore
from tagging.types import LabelledVideo

logger = logging.getLogger(__name__)

BATCH_VIDEOS = 256
WITH_UPLOADER = " with uploader"  # suffix of the table rows whose videos state their uploader


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Evaluation tables, and the videos that they are based on.

    If labels are incomplete, a tag counted as wrong may be a missing label.
    """

    bundle: str
    videos: int  # with at least one tag, all of which are scored
    videos_without_tags: int
    videos_without_features: int  # scored as videos without an answer
    recall: list[Row]
    ranking: list[Row]
    systems: list[Row]
    calibration: list[Row]  # of the tags that may be answered
    promises: list[Row]  # of target precisions; empty for a bundle without held-out videos


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
    runtime: RuntimeName | None = None,
) -> EvaluationReport:
    """Score a bundle on the videos of the manifests, optionally only on the held-out ones and on one split.

    predictions: a folder for the 200 best tags of each video, a JSON line per video: union.jsonl, and CHANNEL.jsonl.
    figure: a PNG of the reliability diagram; an existing file is replaced.
    runtime: of the encoders; None: the bundle's
    Raises OutputUnwritableError before any work if the figure cannot be written, InvalidManifestError if the
    bundle was trained on one of the videos, or no video is left.
    """
    if figure is not None:
        require_figure(figure)
    manifest = BUNDLE.read(bundle)
    rows = _choose_rows(list(read_labelled(manifests, columns)), manifest, held_out, split)
    tagged = [row for row in rows if any(tag.strip() for tag in row.tags)]
    recall_stage = RecallStage.load(bundle, manifest)
    _refuse_training_videos(tagged, recall_stage, manifest, held_out)
    if not tagged:
        raise InvalidManifestError("no video with a tag is left to evaluate on")
    encoders = _checked_encoders(manifest, runtime)
    extraction = _extract(tagged, manifest, encoders, store, progress)
    with ExitStack() as stack:
        writer = PredictionWriter(predictions, recall_stage.catalog, stack) if predictions is not None else None
        ranker = load_ranker(bundle, manifest, encoders)
        collector = PredictionCollector(recall_stage, ranker, manifest.config.select, writer)
        _predict(collector, recall_stage, tagged, extraction, progress)
    uploaders = uploader_numbers([row.video.uploader_id for row in tagged])
    measured = HeldOutPredictions.of(collector.answerable, uploaders)
    curve = reliability(measured.confidences, measured.right) if len(measured.confidences) else None
    if figure is not None:
        _draw(collector.systems.name, curve, figure)
    return EvaluationReport(
        bundle=manifest.version,
        videos=len(tagged),
        videos_without_tags=len(rows) - len(tagged),
        videos_without_features=sum(not embeddings.rows for embeddings in extraction.embeddings),
        recall=_recall_table(collector.proposals),
        ranking=collector.systems.ranking(collector.true),
        systems=collector.system_rows(),
        calibration=[] if curve is None else [calibration_row(collector.systems.name, curve)],
        promises=precision_rows(load_held_out_predictions(bundle, manifest), measured, manifest),
    )


def _checked_encoders(manifest: BundleManifest, runtime: RuntimeName | None) -> Encoders:
    """Return the encoders at hand; ArtifactMismatchError unless they made the vectors of the bundle."""
    encoders = load_encoders(manifest.config.encoders.on(runtime))
    check_encoders(manifest, encoders)
    return encoders


def _extract(
    rows: Sequence[LabelledVideo],
    manifest: BundleManifest,
    encoders: Encoders,
    store: FeatureStore,
    progress: Progress,
) -> Extraction:
    """Extract the features of the videos with the bundle's encoders."""
    return extract(
        [row.video for row in rows], encoders, manifest.config.media, store, progress,
        with_beliefs=manifest.names is not None, with_tokens=manifest.ranker is not None,
    )  # fmt: skip


def _predict(
    collector: PredictionCollector,
    recall_stage: RecallStage,
    rows: Sequence[LabelledVideo],
    extraction: Extraction,
    progress: Progress,
) -> None:
    """Predict all videos without their uploader, and where the uploader matters, also with it.

    A known uploader changes the result, so it is measured separately.
    """
    anonymous = [replace(video, uploader_id=None) for video in extraction.embeddings]
    passes = {"": anonymous}
    if any(isinstance(channel, UploaderTags) for channel in recall_stage.channels):
        passes[WITH_UPLOADER] = list(extraction.embeddings)
    truth = true_tags(rows, recall_stage.catalog)
    with progress.track("recall and rank", len(passes) * len(rows)) as advance:
        for suffix, embeddings in passes.items():
            for start in range(0, len(rows), BATCH_VIDEOS):
                batch = np.arange(start, min(start + BATCH_VIDEOS, len(rows)))
                videos = [EvaluationVideo(rows[row], truth[row], embeddings[row]) for row in batch.tolist()]
                collector.add(videos, only(extraction.tokens, batch), suffix)
                advance(len(batch))


def _draw(name: str, curve: Reliability | None, figure: Path) -> None:
    if curve is None:
        logger.warning("%s is not drawn: no video has a tag with a confidence", figure)
    else:
        draw_reliability({name: curve}, figure)


def _choose_rows(
    rows: Sequence[LabelledVideo], manifest: BundleManifest, held_out: bool, split: str | None
) -> list[LabelledVideo]:
    training = manifest.config.training
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


def _refuse_training_videos(
    rows: Sequence[LabelledVideo], recall_stage: RecallStage, manifest: BundleManifest, held_out: bool
) -> None:
    """Raise InvalidManifestError if the bundle contains any of the videos as a labelled video."""
    table = recall_stage.neighbour_store.table
    known = [row.video.video_id for row in rows if table.row_of(row.video.video_id) is not None]
    if known:
        if held_out:
            hint = "give the manifest and the --map of the training, by whose uploaders videos were held out"
        elif manifest.config.training.holdout > 0:
            hint = "add --held-out to score only the held-out uploaders"
        else:
            hint = "evaluate on other videos"
        raise InvalidManifestError(
            f"the bundle was trained on {len(known)} of the {len(rows)} videos, for example {known[0]!r}: "
            "metrics on them would be meaningless",
            hint,
        )


def _recall_table(proposals: Mapping[str, Sequence[Proposal]]) -> list[Row]:
    """Return a row for each channel and the union; the row of a channel has the union's loss without it."""
    names = list(proposals)
    channels = {name: proposals[name] for name in names[: names.index("union")]}
    lost = lost_without(channels, proposals["union"])
    rows = [recall_row(name, of_videos) for name, of_videos in proposals.items()]
    return [row | {"lost_without": lost[str(row["channel"])]} if row["channel"] in lost else row for row in rows]
