"""Calibration report: reliability of confidences on given videos, and measured results of target precisions."""

import numpy as np

from rank.precision_control import DELTA, HeldOutPredictions, evaluate_threshold, resplit_rates
from rank.reliability import Reliability
from tagging.bundle.manifest import BundleManifest
from tagging.config.random_streams import Stream
from tagging.pipeline.precision import LONGEST_ANSWER, controlled_confidence

Row = dict[str, str | float | int]
TARGET_PRECISIONS = (0.7, 0.8, 0.9)
RESPLITS = 100


def calibration_row(name: str, curve: Reliability) -> Row:
    """Return the table row of a reliability curve: mean confidence and share of correct tags."""
    share = curve.count / curve.count.sum()
    return {
        "system": name,
        "tags": int(curve.count.sum()),
        "right": round(float(np.dot(curve.right, share)), 4),
        "mean_confidence": round(float(np.dot(curve.confidence, share)), 4),
        "calibration_error": round(curve.calibration_error, 4),
        "brier": round(curve.brier, 4),
    }


def precision_rows(
    held_out: HeldOutPredictions | None, measured: HeldOutPredictions, manifest: BundleManifest
) -> list[Row]:
    """Return the measured precision and coverage of each target precision; nothing for a bundle without held-out
    videos.

    held_out: the bundle's own predictions, which choose the confidence threshold
    measured: predictions for the given videos
    `kept_in_resplits` is the share of random halvings of the measured uploaders in which a threshold from one half
    keeps the target precision on the other half.
    """
    if held_out is None:
        return []
    rows: list[Row] = []
    max_tags, seed = min(manifest.config.select.max_tags, LONGEST_ANSWER), manifest.config.training.seed
    measured = measured.truncated(max_tags)
    for precision in TARGET_PRECISIONS:
        threshold = controlled_confidence(held_out, max_tags, precision, seed)
        result = evaluate_threshold(measured, threshold)
        # Training's re-ranker draws from the same stream, for other data.
        generator = np.random.default_rng([seed, Stream.CALIBRATION_RESPLITS])
        kept, answered = resplit_rates(measured, precision, DELTA, RESPLITS, generator)
        tags = int((measured.confidences >= threshold).sum())
        rows.append(
            {
                "promised_precision": precision,
                "least_confidence": "none" if threshold > 1 else round(threshold, 4),
                "precision": "" if result.precision is None else round(result.precision, 4),
                "share_answered": round(result.answered, 4),
                "tags_per_video": round(tags / len(measured), 4),
                "kept_in_resplits": round(kept, 3),
                "answered_in_resplits": round(answered, 3),
            }
        )
    return rows
