"""Evaluation of a recommendation model on what it was not trained on, next to baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.bundle.manifest import SourceEntry
from tagging.config.random_streams import Stream
from tagging.errors import ArtifactMismatchError
from tagging.ragged import Ragged
from tagging.recommendation.baselines import ItemNeighbours, Popularity, Random, TextProfile
from tagging.recommendation.interactions import read_interactions
from tagging.recommendation.measures import Recommender, measures, recommended
from tagging.recommendation.split import Division
from tagging.recommendation.tables import Sources, read_videos, video_tables
from tagging.recommendation.two_towers.files import read_model
from tagging.recommendation.two_towers.fit import divided
from tagging.recommendation.two_towers.manifest import TWO_TOWERS, TwoTowersManifest
from tagging.types import LabelledVideo

TOWERS = "two towers"


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    model: str  # version
    held_out: str  # last or new
    part: str
    cases: int
    candidates: int  # videos that are ranked for each case
    systems: Mapping[str, Mapping[str, float]]  # measures of each system


def evaluate_recommendation(folder: Path, sources: Sources) -> EvaluationReport:
    """Measure a model on the interactions that its manifest holds out.

    Raises ArtifactMismatchError for a model that held nothing out, and for other tables than those of its training,
    whose division would be another one.
    """
    manifest = TWO_TOWERS.read(folder)
    holdout = manifest.holdout
    if holdout is None:
        raise ArtifactMismatchError(
            f"{folder} was trained on all interactions, so nothing is left to measure it on",
            "train it with --hold-out last or --hold-out new",
        )
    check_tables(folder, manifest, sources)
    stored = read_model(folder, manifest)
    videos = read_videos(sources.manifests, sources.columns)
    division = divided(read_interactions(sources.interactions, stored.video_ids), len(videos), holdout)
    systems = {**baselines(videos, division.training, holdout.seed), TOWERS: stored.model}
    return EvaluationReport(
        model=manifest.version,
        held_out=holdout.held_out,
        part=holdout.part,
        cases=len(division.cases),
        candidates=len(division.cases.candidates),
        systems=measure(systems, division),
    )


def measure(systems: Mapping[str, Recommender], division: Division) -> dict[str, dict[str, float]]:
    """Return the measures of each system on the cases of a division."""
    cases = division.cases
    return {name: measures(recommended(system, cases), cases.targets) for name, system in systems.items()}


def baselines(videos: Sequence[LabelledVideo], training: Ragged, seed: int) -> dict[str, Recommender]:
    """Return the baselines, fitted on the sequences that a model is trained on; videos: V of the catalog."""
    titles = [video.video.text for video in videos]
    with_tags = [" ".join([title, *video.tags]) for title, video in zip(titles, videos, strict=True)]
    return {
        "random": Random(np.random.default_rng([seed, Stream.RECOMMENDATION_RANDOM])),
        "popularity": Popularity(training, len(videos)),
        "item-kNN": ItemNeighbours(training, len(videos)),
        "title profile": TextProfile(titles),
        "title and tag profile": TextProfile(with_tags),
    }


def check_tables(folder: Path, manifest: TwoTowersManifest, sources: Sources) -> None:
    """Raise ArtifactMismatchError, which names the first table that differs from those of the training."""
    stated = [*manifest.videos, manifest.interactions]
    paths = [*video_tables(sources.manifests), sources.interactions]
    if len(stated) != len(paths):
        raise ArtifactMismatchError(f"{folder} was trained on {len(stated)} tables, found {len(paths)}", SAME_TABLES)
    for entry, path in zip(stated, paths, strict=True):
        columns = {} if path == sources.interactions else sources.columns
        if SourceEntry.of(path, columns).model_copy(update={"name": entry.name}) != entry:
            raise ArtifactMismatchError(f"{path} is not the {entry.name} that {folder} was trained on", SAME_TABLES)


SAME_TABLES = "give the tables of its training, in their order and with the same --map"
