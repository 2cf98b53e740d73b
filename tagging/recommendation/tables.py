"""Tables that recommendation starts from: manifests of videos, with the rows of a bundle's encoders."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging.bundle.files import read_manifest
from tagging.bundle.manifest import BundleManifest
from tagging.config.encoders import EncodersConfig
from tagging.config.media import MediaConfig
from tagging.errors import InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import Encoders, load_encoders
from tagging.manifests.read import read_labelled
from tagging.pipeline.load import check_encoders
from tagging.progress import Progress
from tagging.recommendation.learn import Catalog
from tagging.store.features import FeatureStore
from tagging.types import LabelledVideo

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """The manifests, the table of interactions, and how their columns are named."""

    manifests: Sequence[Path]
    columns: Mapping[str, str]  # field -> column of the manifests, where they differ
    interactions: Path


@dataclass(frozen=True, slots=True, eq=False)
class BundleEncoders:
    """The encoders of a bundle, without readers of passages."""

    bundle: BundleManifest
    configured: EncodersConfig
    encoders: Encoders


def read_videos(manifests: Sequence[Path], columns: Mapping[str, str]) -> list[LabelledVideo]:
    """Read the videos of all splits. Raises InvalidManifestError for manifests without rows."""
    videos = list(read_labelled(manifests, columns))
    if not videos:
        raise InvalidManifestError("the manifests have no rows", "give a table of videos")
    return videos


def bundle_encoders(bundle: Path, videos: Sequence[LabelledVideo]) -> BundleEncoders:
    """Load the encoders of a bundle; the text encoder alone if no video has media."""
    manifest = read_manifest(bundle)
    configured = manifest.config.encoders.model_copy(update={"speech": None, "screen": None})
    if all(video.video.uri is None for video in videos):
        configured = configured.of_text()
    encoders = load_encoders(configured)
    check_encoders(manifest, encoders)
    return BundleEncoders(manifest, configured, encoders)


def encode(
    videos: Sequence[LabelledVideo], encoders: Encoders, media: MediaConfig, store: FeatureStore, progress: Progress
) -> Catalog:
    """Return videos with their embeddings; media that cannot be read are logged and count as missing."""
    extraction = extract([video.video for video in videos], encoders, media, store, progress)
    for failure in extraction.failures:
        logger.warning("%s: media skipped: %s", failure.video.video_id, failure.error.message)
    return Catalog(videos, extraction.embeddings)
