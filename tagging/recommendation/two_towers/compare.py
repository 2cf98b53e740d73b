"""Comparison of the two towers under several conditions, over seeds, next to baselines."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tagging.config.recommendation import TwoTowersConfig
from tagging.progress import Progress
from tagging.recommendation.interactions import Interactions
from tagging.recommendation.split import HeldOut
from tagging.recommendation.tables import Catalog
from tagging.recommendation.two_towers.evaluate import baselines, measure
from tagging.recommendation.two_towers.fit import divided
from tagging.recommendation.two_towers.learn import learn_towers
from tagging.recommendation.two_towers.manifest import HoldoutEntry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """Input of the towers, and the difference of their configuration."""

    catalog: Catalog
    changes: Mapping[str, Any]  # of TwoTowersConfig


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of a system over seeds."""

    mean: float
    spread: float  # standard deviation over the seeds
    gain: float | None  # mean difference to the reference of the same seed; None for a baseline
    gain_spread: float | None


def compare(
    conditions: Mapping[str, Condition],
    reference: str,
    interactions: Interactions,
    held_out: HeldOut,
    seeds: Sequence[int],
    config: TwoTowersConfig,
    progress: Progress,
) -> dict[str, dict[str, Compared]]:
    """Return the measures of each baseline and condition.

    reference: the condition that the others are compared with; the baselines read its catalog
    seeds:     each draws a division, and a training for each condition
    Raises InvalidManifestError if nothing can be held out, and NothingToLearnError.
    """
    catalog = conditions[reference].catalog
    by_system: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        division = divided(interactions, len(catalog), HoldoutEntry(held_out=held_out, part="test", seed=seed))
        scores = measure(baselines(catalog.videos, division.training, seed), division)
        for name, condition in conditions.items():
            settings = config.model_copy(update={**condition.changes, "seed": seed})
            towers = learn_towers(condition.catalog, division.training, settings, progress)
            scores |= measure({name: towers}, division)
            logger.info("seed %d, %s: HR@10 %.4f", seed, name, scores[name]["HR@10"])
        for system, measured in scores.items():
            by_system.setdefault(system, []).append(measured)
    return {
        system: {
            name: _compared(name, rows, by_system[reference] if system in conditions else None) for name in rows[0]
        }
        for system, rows in by_system.items()
    }


def _compared(name: str, rows: Sequence[Mapping[str, float]], of: Sequence[Mapping[str, float]] | None) -> Compared:
    values = np.array([row[name] for row in rows])
    if of is None:
        return Compared(float(values.mean()), float(values.std()), None, None)
    gains = values - np.array([row[name] for row in of])
    return Compared(float(values.mean()), float(values.std()), float(gains.mean()), float(gains.std()))
