"""Worth of tags, topics and embeddings: the two towers without them, with each, and together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tagging.config.recommendation import TwoTowersConfig
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.pipeline.feature_reader import FeatureReader
from tagging.pipeline.predict import predicted_tags
from tagging.progress import Progress
from tagging.recommendation.interactions import read_interactions
from tagging.recommendation.items import ID, TAG_WORDS, TAGS, UPLOADER, WORDS
from tagging.recommendation.split import HeldOut
from tagging.recommendation.tables import Catalog, Sources, read_videos
from tagging.recommendation.two_towers.compare import Compared, Condition, compare
from tagging.store.features import FeatureStore
from tagging.topics.assign_videos import assign_topics
from tagging.types import MODALITIES

OFF = "tags off"
_BASE = (ID, UPLOADER, WORDS)
_TAGS = (*_BASE, TAGS, TAG_WORDS)


@dataclass(frozen=True, slots=True)
class Extras:
    """Models whose output is compared with the creators' tags."""

    topics: Path | None = None  # a topic model; its topics are compared as further tags
    predictor: Path | None = None  # a bundle; its tags are compared in place of the creators'


def recommendation_worth(
    sources: Sources,
    bundle: Path,
    held_out: HeldOut,
    seeds: Sequence[int],
    config: TwoTowersConfig,
    extras: Extras,
    store: FeatureStore,
    progress: Progress,
) -> dict[str, dict[str, Compared]]:
    """Read the tables, and return the measures of each baseline and condition.

    bundle: whose encoders represent the videos
    seeds:  each draws a division and a training
    Raises InvalidManifestError for tables that cannot be read or learnt from, and ArtifactError for a bundle or topic
    model that is damaged or has other encoders.
    """
    videos = read_videos(sources.manifests, sources.columns)
    interactions = read_interactions(sources.interactions, [video.video.video_id for video in videos])
    refs = [video.video for video in videos]
    catalog = Catalog(videos, FeatureReader.of_bundle(bundle, refs).read(refs, store, progress))
    conditions = {**conditions_of(catalog), **extra_conditions(catalog, extras, store, progress)}
    try:
        return compare(conditions, OFF, interactions, held_out, seeds, config, progress)
    except NothingToLearnError as error:
        raise InvalidManifestError(f"{sources.interactions}: {error}", "give more users, with more videos") from error


def conditions_of(catalog: Catalog) -> dict[str, Condition]:
    """Return the conditions of a catalog alone, `tags off` first."""
    return {
        OFF: Condition(catalog, {"views": _BASE}),
        "creators' tags": Condition(catalog, {"views": _TAGS}),
        "embeddings": Condition(catalog, {"views": (*_BASE, *MODALITIES)}),
        "creators' tags + embeddings": Condition(catalog, {"views": (*_TAGS, *MODALITIES)}),
    }


def extra_conditions(catalog: Catalog, extras: Extras, store: FeatureStore, progress: Progress) -> dict[str, Condition]:
    """Return the conditions of a catalog with the output of further models as tags."""
    conditions = {}
    if extras.topics is not None:
        found = assign_topics(extras.topics, catalog.videos, store, progress)
        names = [[f"topic{topic.id}" for topic, _ in video.topics] for video in found]  # one word each
        own = [video.tags for video in catalog.videos]
        conditions["topics"] = Condition(_with_tags(catalog, names), {"views": _TAGS})
        both = [(*tags, *topics) for tags, topics in zip(own, names, strict=True)]
        conditions["creators' tags + topics"] = Condition(_with_tags(catalog, both), {"views": _TAGS})
    if extras.predictor is not None:
        predicted = predicted_tags([video.video for video in catalog.videos], extras.predictor, progress)
        conditions["predicted tags"] = Condition(_with_tags(catalog, list(map(list, predicted))), {"views": _TAGS})
    return conditions


def _with_tags(catalog: Catalog, tags: Sequence[Sequence[str]]) -> Catalog:
    videos = [replace(video, tags=tuple(names)) for video, names in zip(catalog.videos, tags, strict=True)]
    return Catalog(videos, catalog.embeddings)
