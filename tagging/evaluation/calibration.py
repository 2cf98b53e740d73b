"""How far a bundle's confidences can be trusted, on videos at hand: calibration, and what promises come to."""

import numpy as np

from rank.precision_control import DELTA, HeldOutPredictions, evaluate_threshold, resplit_rates
from rank.reliability import Reliability
from tagging.bundle.manifest import BundleManifest
from tagging.pipeline.precision import LONGEST_ANSWER, controlled_confidence

Row = dict[str, str | float | int]
PRECISIONS = (0.7, 0.8, 0.9)  # whose promises are tried
RESPLITS = 100


def calibration_row(name: str, one: Reliability) -> Row:
    share = one.count / one.count.sum()
    return {
        "system": name,
        "tags": int(one.count.sum()),
        "right": round(float(np.dot(one.right, share)), 4),
        "mean_confidence": round(float(np.dot(one.confidence, share)), 4),
        "calibration_error": round(one.calibration_error, 4),
        "brier": round(one.brier, 4),
    }


def precision_rows(
    kept_aside: HeldOutPredictions | None, measured: HeldOutPredictions, stated: BundleManifest
) -> list[Row]:
    """What each promise comes to on the videos at hand; those that the bundle kept aside chose the confidence.

    Beside it, how promises fare that one half of the uploaders at hand makes and the other half checks.
    """
    if kept_aside is None:
        return []
    rows: list[Row] = []
    max_tags, seed = min(stated.config.select.max_tags, LONGEST_ANSWER), stated.config.training.seed
    measured = measured.truncated(max_tags)
    for precision in PRECISIONS:
        least = controlled_confidence(kept_aside, max_tags, precision, seed)
        found = evaluate_threshold(measured, least)
        kept, answered = resplit_rates(measured, precision, DELTA, RESPLITS, np.random.default_rng([seed, 9]))
        given = int((measured.confidences >= least).sum())
        rows.append(
            {
                "promised_precision": precision,
                "least_confidence": "none" if least > 1 else round(least, 4),
                "precision": "" if found.precision is None else round(found.precision, 4),
                "share_answered": round(found.answered, 4),
                "tags_per_video": round(given / len(measured), 4),
                "kept_in_resplits": round(kept, 3),
                "answered_in_resplits": round(answered, 3),
            }
        )
    return rows
