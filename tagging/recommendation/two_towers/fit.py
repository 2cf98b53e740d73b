"""Fitting of a recommendation model: manifests and interactions → features → two towers → folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from tagging.bundle.manifest import SourceEntry
from tagging.config.recommendation import TwoTowersConfig
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.files.atomic import atomic_folder, require_new
from tagging.pipeline.feature_reader import FeatureReader
from tagging.progress import Progress, Stopwatch
from tagging.ragged import Ragged
from tagging.recommendation.interactions import Interactions, read_interactions
from tagging.recommendation.split import Division, divide
from tagging.recommendation.tables import Catalog, Sources, read_videos, video_tables
from tagging.recommendation.two_towers.files import write_model
from tagging.recommendation.two_towers.learn import learn_towers
from tagging.recommendation.two_towers.manifest import HoldoutEntry, TwoTowersManifest
from tagging.recommendation.two_towers.model import RecommendationModel
from tagging.store.features import FeatureStore

PACKAGES = ("videotag", "numpy", "scipy", "torch")


@dataclass(frozen=True, slots=True)
class FitReport:
    model: str  # the folder
    version: str
    counts: Mapping[str, int]
    seconds: Mapping[str, float]  # of each stage


def fit_recommendation(
    sources: Sources,
    bundle: Path,
    out: Path,
    config: TwoTowersConfig,
    holdout: HoldoutEntry | None,
    store: FeatureStore,
    progress: Progress,
    *,
    created: datetime,
) -> FitReport:
    """Train the two towers and write the model to `out`.

    bundle:  whose encoders represent the videos
    holdout: what is kept out of training, for `evaluate_recommendation`; None: nothing
    created: the time that the model states, with a time zone
    Raises InvalidManifestError for tables that cannot be read or learnt from, ArtifactError for a bundle that is
    damaged or has other encoders, and before any work OutputExistsError or OutputUnwritableError.
    """
    require_new(out)
    watch = Stopwatch()
    with watch("read tables"):
        videos = read_videos(sources.manifests, sources.columns)
        interactions = read_interactions(sources.interactions, [video.video.video_id for video in videos])
        training = interactions.videos
        if holdout is not None:
            training = divided(interactions, len(videos), holdout).training
    refs = [video.video for video in videos]
    with watch("load encoders"):
        reader = FeatureReader.of_bundle(bundle, refs)
    with watch("extract features"):
        catalog = Catalog(videos, reader.read(refs, store, progress))
    with watch("train towers"):
        try:
            model = learn_towers(catalog, training, config, progress)
        except NothingToLearnError as error:
            raise InvalidManifestError(
                f"{sources.interactions}: {error}", "give more users, with more videos"
            ) from error
    with watch("write"), atomic_folder(out) as folder:
        draft = TwoTowersManifest(
            created=created,
            origin=reader.origin,
            config=config,
            sizes=dict(model.vocabulary.sizes),
            dims=dict(model.vocabulary.dims),
            holdout=holdout,
            videos=[SourceEntry.of(path, sources.columns) for path in video_tables(sources.manifests)],
            interactions=SourceEntry.of(sources.interactions, {}),
            counts=_counts(model, catalog, training),
            packages={name: version(name) for name in PACKAGES},
        )
        manifest = write_model(folder, model, [ref.video_id for ref in refs], draft)
    return FitReport(str(out), manifest.version, manifest.counts, watch.seconds)


def divided(interactions: Interactions, videos: int, holdout: HoldoutEntry) -> Division:
    """Divide interactions as a model states it. Raises InvalidManifestError if nothing can be held out."""
    try:
        return divide(interactions.videos, videos, holdout.held_out, holdout.part, holdout.seed)
    except NothingToLearnError as error:
        raise InvalidManifestError(f"nothing can be held out: {error}", "give users with more videos") from error


def _counts(model: RecommendationModel, catalog: Catalog, training: Ragged) -> dict[str, int]:
    return {
        "videos": len(catalog),
        "videos_with_id": len(model.vocabulary.ids),
        "videos_without_any_view": int((~model.vectors.any(axis=1)).sum()),
        "videos_without_tags": sum(not any(tag.strip() for tag in video.tags) for video in catalog.videos),
        "tags": len(model.vocabulary.tags),
        "words": len(model.vocabulary.words),
        "uploaders": len(model.vocabulary.uploaders),
        "users": len(training),
        "interactions": len(training.values),
    }
