"""Ablation of the click model: without attention crossing, self-attention or perceptron, and with more layers.

Hasama & Li report in section 4.4 what attention crossing adds ("by adding the extracted crossover features").
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tagging.config.clicks import ClicksConfig
from tagging.progress import Progress
from tagging.recommendation.clicks.network import ClickNetwork
from tagging.recommendation.clicks.table import USER, VIDEO, ImpressionTable
from tagging.recommendation.split import HeldOut
from tagging.tools.benchmarks.click_trials import MEASURES, divided, gains, measure
from tagging.tools.benchmarks.review import mean_and_spread

logger = logging.getLogger(__name__)

WHOLE = "MHSA + AC"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    WHOLE: {},
    "without attention crossing": {"crossings": 0},
    "without self-attention": {"layers": 0},
    "2 layers of self-attention": {"layers": 2},
    "2 layers of attention crossing": {"crossings": 2},
    "without perceptron": {"hidden": ()},
}


def ablation_benchmark(
    table: ImpressionTable,
    fields: Sequence[str],
    held_out: HeldOut,
    seeds: Sequence[int],
    config: ClicksConfig,
    progress: Progress,
) -> dict[str, list[dict[str, Any]]]:
    """Return the measures of each variant on the test part, mean and spread, and differences to the whole model.

    fields: that every variant reads, beside the ids of user and video
    Raises InvalidManifestError for impressions that cannot be divided, and if they share no users or videos.
    """
    parts = divided(table, held_out, seeds)
    whole: list[dict[str, float]] = []
    rows = []
    with progress.track("train", len(VARIANTS) * len(seeds)) as advance:
        for variant, changes in VARIANTS.items():
            measured = []
            for seed in seeds:
                settings = config.model_copy(update={**changes, "seed": seed})
                measured.append(measure(table, parts[seed], (USER, VIDEO, *fields), ClickNetwork, settings))
                found = ", ".join(f"{name} {value:.4f}" for name, value in measured[-1].items())
                logger.info("%s, seed %d: %s", variant, seed, found)
                advance(1)
            whole = whole or measured
            rows.append(
                {"variant": variant}
                | {name: mean_and_spread([row[name] for row in measured]) for name in MEASURES}
                | gains(measured, whole, "AUC", WHOLE)
                | gains(measured, whole, "log loss", WHOLE)
            )
    return {"click ablation": rows}
