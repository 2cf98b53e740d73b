"""New videos in the space of a recommendation model: manifests → features → item tower → vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.errors import InvalidManifestError
from tagging.pipeline.feature_reader import FeatureReader
from tagging.progress import Progress
from tagging.recommendation.tables import read_videos
from tagging.recommendation.two_towers.files import read_model
from tagging.recommendation.two_towers.manifest import TWO_TOWERS
from tagging.recommendation.two_towers.model import RecommendationModel
from tagging.store.features import FeatureStore
from tagging.types import FloatRows


@dataclass(frozen=True, slots=True, eq=False)
class NewVideos:
    """Videos that came after the training of a model, and the model with them."""

    model: RecommendationModel  # V videos of its training, then n new ones
    model_version: str
    trained_ids: Sequence[str]  # V
    video_ids: Sequence[str]  # n

    @property
    def vectors(self) -> FloatRows:
        """(n, D) unit rows of the new videos; zeros for a video without any view."""
        return self.model.vectors[len(self.trained_ids) :]

    @property
    def without_any_view(self) -> tuple[str, ...]:
        """Ids of the new videos that cannot be recommended, as nothing is known of them."""
        unknown = np.flatnonzero(~self.vectors.any(axis=1))
        return tuple(self.video_ids[row] for row in unknown.tolist())


def encode_new_videos(
    folder: Path, manifests: Sequence[Path], columns: Mapping[str, str], store: FeatureStore, progress: Progress
) -> NewVideos:
    """Return the videos of manifests in the space of a model.

    Raises InvalidManifestError for a video that the model was trained with, and ArtifactError for a model that is
    missing, damaged or of other encoders.
    """
    manifest = TWO_TOWERS.read(folder)
    videos = read_videos(manifests, columns)
    refs = [video.video for video in videos]
    video_ids = [ref.video_id for ref in refs]
    reader = FeatureReader.of_model(f"recommendation model {manifest.version}", manifest.origin, refs)
    stored = read_model(folder, manifest)
    _check_new(folder, stored.video_ids, video_ids)
    model = stored.model.with_videos(videos, reader.read(refs, store, progress))
    return NewVideos(model, manifest.version, stored.video_ids, video_ids)


def _check_new(folder: Path, trained_ids: Sequence[str], video_ids: Sequence[str]) -> None:
    known = set(trained_ids)
    for video_id in video_ids:
        if video_id in known:
            raise InvalidManifestError(
                f"video {video_id!r} is in {folder} already", "give the videos that came after its training"
            )
