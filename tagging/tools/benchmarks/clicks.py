"""Benchmark of click prediction: Table II of "Multimodal Topic Learning for Video Recommendation" (ranking models with
and without topics), with tags as a step between, and Table 2 of Hasama & Li (FM, DeepFM and MHSA + AC).

Every system reads the same fields of the same impressions, divided by time, and is trained by the same loop. A seed
draws first weights, the order of the impressions, dropout, and new videos where those are held out.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tagging.config.clicks import ClicksConfig
from tagging.progress import Progress
from tagging.recommendation.clicks.split import Parts
from tagging.recommendation.clicks.table import USER, VIDEO, ImpressionTable
from tagging.recommendation.split import HeldOut
from tagging.tools.benchmarks.click_systems import SYSTEMS
from tagging.tools.benchmarks.click_trials import MEASURES, divided, gains, measure
from tagging.tools.benchmarks.review import mean_and_spread

logger = logging.getLogger(__name__)

WITHOUT = "no tags"


def conditions_of(
    fields: Sequence[str], tag_fields: Sequence[str], topic_fields: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the fields of each condition; without fields of tags or topics there is no condition with them."""
    base = (USER, VIDEO, *fields)
    conditions = {WITHOUT: base}
    if tag_fields:
        conditions["tags"] = (*base, *tag_fields)
    if topic_fields:
        conditions["tags + topics" if tag_fields else "topics"] = (*base, *tag_fields, *topic_fields)
    return conditions


def clicks_benchmark(
    table: ImpressionTable,
    conditions: Mapping[str, Sequence[str]],
    systems: Sequence[str],
    held_out: HeldOut,
    seeds: Sequence[int],
    config: ClicksConfig,
    progress: Progress,
) -> dict[str, list[dict[str, Any]]]:
    """Return the tables: counts of the first seed's parts, and the measures of the test parts, mean and spread.

    conditions: fields of each, WITHOUT first, to which the others are compared seed by seed
    Raises InvalidManifestError for impressions that cannot be divided, and if they share no users or videos.
    """
    parts = divided(table, held_out, seeds)
    rows = []
    with progress.track("train", len(conditions) * len(systems) * len(seeds)) as advance:
        for system in systems:
            without: list[dict[str, float]] = []
            for condition, fields in conditions.items():
                started = time.process_time()
                measured = []
                for seed in seeds:
                    settings = config.model_copy(update={"seed": seed})
                    measured.append(measure(table, parts[seed], fields, SYSTEMS[system], settings))
                    found = ", ".join(f"{name} {value:.4f}" for name, value in measured[-1].items())
                    logger.info("%s, %s, seed %d: %s", system, condition, seed, found)
                    advance(1)
                without = without or measured
                rows.append(
                    {"system": system, "fields": condition}
                    | {name: mean_and_spread([row[name] for row in measured]) for name in MEASURES}
                    | gains(measured, without, "AUC", WITHOUT)
                    | {"processor seconds": round((time.process_time() - started) / len(seeds), 1)}
                )
    return {"impressions": counts(table, parts[seeds[0]]), "clicks": rows}


def counts(table: ImpressionTable, parts: Parts) -> list[dict[str, Any]]:
    videos = table.fields[VIDEO].rows.values
    return [
        {
            "part": name,
            "impressions": len(rows),
            "users": len(np.unique(table.users[rows])),
            "videos": len(np.unique(videos[rows])),
            "clicked": round(float(table.clicked[rows].mean()), 3),
        }
        for name, rows in (("training", parts.training), ("validation", parts.validation), ("test", parts.test))
    ]
