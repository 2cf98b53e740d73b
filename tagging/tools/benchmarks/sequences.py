"""Benchmark of the dynamic recurrent model: its objective without each factor, and baselines next to it.

    last    the last video of at most 6,000 users, all videos ranked (recommendation/split.py)
    modes   new users, of whom a quarter or three quarters of a sequence is known (recommendation/recurrent/modes.py)

A seed draws the division and the trainings. The baselines of torch-rechub have the training of the model, with epochs
and a rate of their own.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tagging.config.random_streams import Stream
from tagging.config.recommendation import RecurrentConfig
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.pipeline.feature_reader import FeatureReader
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.recommendation.baselines import ItemNeighbours, Popularity
from tagging.recommendation.interactions import read_interactions
from tagging.recommendation.measures import Recommender, measures, recommended
from tagging.recommendation.recurrent.generate import step_by_step
from tagging.recommendation.recurrent.learn import read_content, train_recurrent
from tagging.recommendation.recurrent.modes import TOP, divide_users, top_measures
from tagging.recommendation.split import Part, divide
from tagging.recommendation.tables import Catalog, Sources, read_videos
from tagging.store.features import FeatureStore
from tagging.tools.benchmarks.rechub import Gru4Rec, SasRec, train_rechub
from tagging.tools.benchmarks.review import mean_and_spread
from tagging.types import MODALITIES, VideoEmbeddings

logger = logging.getLogger(__name__)

FULL = "full objective"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    FULL: {},
    "no semantic embedding: IDs alone": {"semantic": False},
    "no semantic loss, λ1 = 0": {"semantic_weight": 0.0},
    "no user interest": {"interest": False},
    "no interest loss, λ2 = 0": {"interest_weight": 0.0},
    "no relevance loss, λ3 = 0": {"relevance_weight": 0.0},
    "coherence loss of the last video alone": {"steps": "last"},
    "no recurrence: Static-DNN": {"memory": "static", "decay": 0.0},
}
# Tuned on the validation part (recommendation/BENCHMARKS.md).
RECHUB: Mapping[str, tuple[type[Gru4Rec | SasRec], Mapping[str, Any]]] = {
    "GRU4Rec": (Gru4Rec, {"epochs": 6.0}),
    "SASRec": (SasRec, {"epochs": 8.0}),
}

Scores = dict[str, dict[str, float]]  # measures of each system


def read_catalog(
    sources: Sources, bundle: Path, config: RecurrentConfig, store: FeatureStore, progress: Progress
) -> Catalog:
    """Read the videos, with the rows of a bundle's encoders if one of the views needs them."""
    videos = read_videos(sources.manifests, sources.columns)
    if not set(config.views) & set(MODALITIES):
        return Catalog(videos, [VideoEmbeddings({}, title=video.video.title) for video in videos])
    refs = [video.video for video in videos]
    return Catalog(videos, FeatureReader.of_bundle(bundle, refs).read(refs, store, progress))


def sequences_benchmark(
    catalog: Catalog,
    interactions: Path,
    tables: Sequence[str],
    part: Part,
    seeds: Sequence[int],
    config: RecurrentConfig,
    progress: Progress,
) -> dict[str, list[dict[str, Any]]]:
    """Return the tables, mean and spread over seeds.

    part: of the last videos, test or validation
    Raises InvalidManifestError for interactions that cannot be read or learnt from.
    """
    videos = read_interactions(interactions, [video.video.video_id for video in catalog.videos]).videos
    configs = [config.model_copy(update={"seed": seed}) for seed in seeds]
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        if "last" in tables:
            last = [measure_last(catalog, videos, part, of_seed, progress) for of_seed in configs]
            found[f"Last videos, {part} part, {len(seeds)} seeds"] = _rows(last)
        if "modes" in tables:
            modes = [measure_modes(catalog, videos, of_seed, progress) for of_seed in configs]
            for name in modes[0]:
                found[f"New users, {name} mode, {len(seeds)} seeds"] = _rows([scores[name] for scores in modes])
    except NothingToLearnError as error:
        raise InvalidManifestError(f"{interactions}: {error}", "give more users, with more videos") from error
    return found


def measure_last(catalog: Catalog, videos: Ragged, part: Part, config: RecurrentConfig, progress: Progress) -> Scores:
    """Return the measures of the last videos: of the baselines, and of the objective without each factor."""
    division = divide(videos, len(catalog), "last", part, config.seed)
    training, cases = division.training, division.cases

    def systems() -> Iterator[tuple[str, Recommender]]:
        yield from baselines(training, len(catalog), config, progress)
        content = read_content(catalog, training, config)
        for name, changes in VARIANTS.items():
            yield name, train_recurrent(content, training, config.model_copy(update=changes), progress)

    scores: Scores = {}
    for name, system in systems():
        scores[name] = measures(recommended(system, cases), cases.targets)
        logger.info("seed %d, %s: HR@10 %.4f", config.seed, name, scores[name]["HR@10"])
    return scores


def measure_modes(catalog: Catalog, videos: Ragged, config: RecurrentConfig, progress: Progress) -> dict[str, Scores]:
    """Return the measures of each mode: of the baselines, and of the model at once and step by step."""
    generator = np.random.default_rng([config.seed, Stream.RECOMMENDATION_USERS])
    division = divide_users(videos, len(catalog), generator)
    scores: dict[str, Scores] = {name: {} for name in division.modes}
    systems = dict(baselines(division.training, len(catalog), config, progress))
    model = train_recurrent(read_content(catalog, division.training, config), division.training, config, progress)
    for name, mode in division.modes.items():
        for system, recommender in {**systems, FULL: model}.items():
            scores[name][system] = top_measures(recommended(recommender, mode.cases, TOP), mode.after)
        scores[name][f"{FULL}, step by step"] = top_measures(step_by_step(model, mode.cases, TOP), mode.after)
    return scores


def baselines(
    training: Ragged, videos: int, config: RecurrentConfig, progress: Progress
) -> Iterator[tuple[str, Recommender]]:
    """Yield the baselines, fitted on the sequences that the model is trained on."""
    yield "popularity", Popularity(training, videos)
    yield "item-kNN", ItemNeighbours(training, videos)
    for name, (kind, changes) in RECHUB.items():
        yield name, train_rechub(kind, training, videos, config.model_copy(update=changes), progress)


def _rows(seeds: Sequence[Scores]) -> list[dict[str, Any]]:
    """Return a row for each system, with the difference of its first measure to the full objective of the same seed."""
    first = next(iter(seeds[0][FULL]))
    rows = []
    for system in seeds[0]:
        measured = [scores[system] for scores in seeds]
        gaps = [scores[system][first] - scores[FULL][first] for scores in seeds]
        means = {name: mean_and_spread([values[name] for values in measured], _form(name)) for name in measured[0]}
        against = "" if system == FULL else mean_and_spread(gaps, "+.4f")
        rows.append({"system": system, **means, f"{first} against {FULL}": against})
    return rows


def _form(measure: str) -> str:
    return ".0f" if "coverage" in measure else ".4f"  # a number of videos, or a share
