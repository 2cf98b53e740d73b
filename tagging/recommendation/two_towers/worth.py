"""Worth of tags and embeddings: the two towers without them, with each, and with both."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.config.recommendation import TwoTowersConfig
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.pipeline.feature_reader import FeatureReader
from tagging.progress import Progress
from tagging.recommendation.interactions import Interactions, read_interactions
from tagging.recommendation.split import HeldOut
from tagging.recommendation.tables import Catalog, Sources, read_videos
from tagging.recommendation.two_towers.evaluate import baselines, measure
from tagging.recommendation.two_towers.fit import divided
from tagging.recommendation.two_towers.items import ID, TAG_WORDS, TAGS, UPLOADER, WORDS
from tagging.recommendation.two_towers.learn import learn_towers
from tagging.recommendation.two_towers.manifest import HoldoutEntry
from tagging.store.features import FeatureStore
from tagging.types import MODALITIES

logger = logging.getLogger(__name__)

OFF = "tags off"
_BASE = (ID, UPLOADER, WORDS)
CONDITIONS: Mapping[str, tuple[str, ...]] = {
    OFF: _BASE,
    "creators' tags": (*_BASE, TAGS, TAG_WORDS),
    "embeddings": (*_BASE, *MODALITIES),
    "creators' tags + embeddings": (*_BASE, TAGS, TAG_WORDS, *MODALITIES),
}


@dataclass(frozen=True, slots=True)
class Worth:
    """One measure of a system over seeds."""

    mean: float
    spread: float  # standard deviation over the seeds
    gain: float | None  # mean difference to `tags off` of the same seed; None for a baseline
    gain_spread: float | None


def recommendation_worth(
    sources: Sources,
    bundle: Path,
    held_out: HeldOut,
    seeds: Sequence[int],
    config: TwoTowersConfig,
    store: FeatureStore,
    progress: Progress,
) -> dict[str, dict[str, Worth]]:
    """Read the tables, and return the measures of each baseline and condition.

    bundle: whose encoders represent the videos
    seeds:  each draws a division and a training
    Raises InvalidManifestError for tables that cannot be read or learnt from, and ArtifactError for a bundle that is
    damaged or has other encoders.
    """
    videos = read_videos(sources.manifests, sources.columns)
    interactions = read_interactions(sources.interactions, [video.video.video_id for video in videos])
    refs = [video.video for video in videos]
    catalog = Catalog(videos, FeatureReader.of_bundle(bundle, refs).read(refs, store, progress))
    try:
        return measure_worth(catalog, interactions, held_out, seeds, config, progress)
    except NothingToLearnError as error:
        raise InvalidManifestError(f"{sources.interactions}: {error}", "give users with more videos") from error


def measure_worth(
    catalog: Catalog,
    interactions: Interactions,
    held_out: HeldOut,
    seeds: Sequence[int],
    config: TwoTowersConfig,
    progress: Progress,
) -> dict[str, dict[str, Worth]]:
    """Return the measures of each baseline and condition over seeds.

    Raises InvalidManifestError if nothing can be held out, and NothingToLearnError.
    """
    by_system: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        division = divided(interactions, len(catalog), HoldoutEntry(held_out=held_out, part="test", seed=seed))
        scores = measure(baselines(catalog.videos, division.training, seed), division)
        for name, views in CONDITIONS.items():
            condition = config.model_copy(update={"views": views, "seed": seed})
            towers = learn_towers(catalog, division.training, condition, progress)
            scores |= measure({name: towers}, division)
            logger.info("seed %d, %s: HR@10 %.4f", seed, name, scores[name]["HR@10"])
        for system, measured in scores.items():
            by_system.setdefault(system, []).append(measured)
    return {
        system: {name: _worth(name, rows, by_system[OFF] if system in CONDITIONS else None) for name in rows[0]}
        for system, rows in by_system.items()
    }


def _worth(name: str, rows: Sequence[Mapping[str, float]], off: Sequence[Mapping[str, float]] | None) -> Worth:
    values = np.array([row[name] for row in rows])
    if off is None:
        return Worth(float(values.mean()), float(values.std()), None, None)
    gains = values - np.array([row[name] for row in off])
    return Worth(float(values.mean()), float(values.std()), float(gains.mean()), float(gains.std()))
