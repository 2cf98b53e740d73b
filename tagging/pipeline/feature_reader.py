"""Features of videos for a derived model, by the encoders of the bundle that it is made from, or by those it states."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging.bundle.derived import OriginEntry
from tagging.bundle.manifest import BUNDLE, EncoderEntry
from tagging.config.encoders import EncodersConfig
from tagging.features.extract import extract
from tagging.features.factory import Encoders, load_encoders
from tagging.pipeline.load import check_encoders, check_fingerprints
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.types import VideoEmbeddings, VideoRef

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureReader:
    """Encoders without readers of passages; the text encoder alone for videos without media."""

    origin: OriginEntry
    encoders: Encoders

    @classmethod
    def of_bundle(cls, folder: Path, videos: Sequence[VideoRef]) -> "FeatureReader":
        """Load those encoders of a bundle that the videos need.

        Raises ArtifactError for a bundle that is missing, damaged or of other encoders than those at hand.
        """
        manifest = BUNDLE.read(folder)
        without_readers = manifest.config.encoders.model_copy(update={"speech": None, "screen": None})
        config = _needed(without_readers, videos)
        encoders = load_encoders(config)
        check_encoders(manifest, encoders)
        entries: dict[str, EncoderEntry] = {
            name: EncoderEntry(fingerprint=encoder.fingerprint, dim=encoder.dim)
            for name, encoder in encoders.present().items()
        }
        media = manifest.config.media
        return cls(OriginEntry(bundle=manifest.version, media=media, config=config, encoders=entries), encoders)

    @classmethod
    def of_model(cls, name: str, origin: OriginEntry, videos: Sequence[VideoRef]) -> "FeatureReader":
        """Load those encoders of a derived model that the videos need.

        name: of the model, for the message of an ArtifactMismatchError for other encoders than those it was made with
        """
        encoders = load_encoders(_needed(origin.config, videos))
        check_fingerprints(name, origin.encoders, encoders)
        return cls(origin, encoders)

    def read(self, videos: Sequence[VideoRef], store: FeatureStore, progress: Progress) -> Sequence[VideoEmbeddings]:
        """Return the embeddings of videos; media that cannot be read are logged and count as missing."""
        extraction = extract(videos, self.encoders, self.origin.media, store, progress)
        for failure in extraction.failures:
            logger.warning("%s: media skipped: %s", failure.video.video_id, failure.error.message)
        return extraction.embeddings


def _needed(config: EncodersConfig, videos: Sequence[VideoRef]) -> EncodersConfig:
    return config if any(video.uri is not None for video in videos) else config.of_text()
