"""Linkers of a bundle: from the classes of its encoders to tags, with the word vectors that the bundle stores."""

from itertools import chain
from pathlib import Path

from tagging.bundle.manifest import BundleManifest
from tagging.bundle.name_vectors import load_word_vectors
from tagging.bundle.sealed import artifact_errors
from tagging.features.base import ClassPredictor
from tagging.features.factory import Encoders
from tagging.features.names import Linker, class_words
from tagging.tags.catalog import TagCatalog
from tagging.types import Modality


def load_linker(
    folder: Path, manifest: BundleManifest, encoders: Encoders, catalog: TagCatalog, modality: Modality
) -> Linker:
    """Return the linker of a modality whose encoder predicts classes; words without a stored vector are encoded.

    encoders, catalog: the bundle's, with a text encoder
    Raises ArtifactCorruptError for a damaged file.
    """
    encoder, text = getattr(encoders, modality), encoders.text
    assert isinstance(encoder, ClassPredictor)
    assert text is not None
    words = class_words(encoder)
    stored = {}
    if manifest.names is not None:
        with artifact_errors(folder):
            stored = load_word_vectors(folder, manifest.names, catalog, chain.from_iterable(words))
    return Linker(words, text, manifest.config.recall.names.near, stored)
