"""Topics of new videos by a fitted model, without a refit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging.pipeline.feature_reader import FeatureReader
from tagging.pipeline.predict import predicted_tags
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.topics.files import read_model
from tagging.topics.manifest import TOPIC_MODEL
from tagging.topics.model import Topic
from tagging.topics.pool import certain
from tagging.topics.representation import HALVES
from tagging.types import LabelledVideo


@dataclass(frozen=True, slots=True)
class VideoTopics:
    """The topics of a video, best first, and what they were found by."""

    video_id: str
    title: str
    topics: tuple[tuple[Topic, float], ...]  # with the similarity, cosine in [-1, 1]
    used: tuple[str, ...]  # content, tags


def assign_topics(
    folder: Path,
    videos: Sequence[LabelledVideo],
    store: FeatureStore,
    progress: Progress,
    *,
    bundle: Path | None = None,
) -> list[VideoTopics]:
    """Return the topics of videos.

    folder: the topic model
    bundle: predicts the tags of videos that have none, which then count with their confidence; None: such videos are
        compared by their content alone
    Raises ArtifactError for a model or bundle that is missing, damaged or of other encoders.
    """
    manifest = TOPIC_MODEL.read(folder)
    refs = [video.video for video in videos]
    reader = FeatureReader.of_model(f"topic model {manifest.version}", manifest.origin, refs)
    model = read_model(folder, manifest)
    rows = model.space.represent(reader.read(refs, store, progress), _tags(videos, bundle, progress))
    found = model.assign(rows)
    return [
        VideoTopics(
            video.video.video_id,
            video.video.title,
            tuple((model.topics[topic], similarity) for topic, similarity in found.at(index)),
            tuple(half for half, present in zip(HALVES, rows.present[index], strict=True) if present),
        )
        for index, video in enumerate(videos)
    ]


def _tags(videos: Sequence[LabelledVideo], bundle: Path | None, progress: Progress) -> list[Mapping[str, float]]:
    """Return the names and confidences of each video's tags: its own, else those that the bundle predicts."""
    tags: list[Mapping[str, float]] = [certain([tag for tag in video.tags if tag.strip()]) for video in videos]
    untagged = [index for index, names in enumerate(tags) if not names]
    if bundle is None or not untagged:
        return tags
    predicted = predicted_tags([videos[index].video for index in untagged], bundle, progress)
    for index, names in zip(untagged, predicted, strict=True):
        tags[index] = names
    return tags
