"""Derived models, which read the features of a bundle's encoders: what their manifests state beside their own."""

from tagging.bundle.manifest import EncoderEntry
from tagging.bundle.sealed import Entry, SealedManifest
from tagging.config.encoders import EncodersConfig
from tagging.config.media import MediaConfig


class OriginEntry(Entry):
    """The bundle whose encoders a model uses, and how they are loaded without it."""

    bundle: str  # version
    media: MediaConfig
    config: EncodersConfig
    encoders: dict[str, EncoderEntry]


class DerivedManifest(SealedManifest):
    origin: OriginEntry
    counts: dict[str, int]
    packages: dict[str, str]  # versions that affect the result
