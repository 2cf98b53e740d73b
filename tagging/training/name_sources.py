"""The direct sources, which need no labelled video: tags found by their names in texts, frames and sound.

Each was fitted for one encoder. What they read is the vectors of the tags' names, and which of an encoder's classes
speak for which tags.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tagging.bundle.manifest import NamesEntry
from tagging.bundle.name_vectors import save_class_tags, save_name_vectors
from tagging.config.recall import NamesConfig, RecallConfig
from tagging.config.root import Config
from tagging.features.base import TellsClasses
from tagging.features.factory import Encoders, encoder_fingerprints
from tagging.features.names import Linker, class_words, name_vectors
from tagging.tags.catalog import TagCatalog
from tagging.types import MODALITIES, Modality

logger = logging.getLogger(__name__)

# The sources and whose encoder they were fitted for.
SOURCES: dict[str, Modality] = {
    "literal": "text",
    "described": "text",
    "written": "text",
    "seen": "frames",
    "heard": "audio",
}


def without_foreign_sources(config: Config, encoders: Encoders) -> Config:
    """The configuration without the direct sources that were fitted for other encoders than these."""
    names, present = config.recall.names, encoder_fingerprints(encoders)
    stated = [source for source in SOURCES if getattr(names, source) is not None]
    unfit = [
        source
        for source in stated
        if (modality := SOURCES[source]) not in present
        or names.fitted_for.get(modality, present[modality]) != present[modality]
    ]
    if not unfit:
        return config
    if told := [source for source in unfit if SOURCES[source] in present]:
        logger.warning("no direct source %s: it was fitted for another encoder", ", ".join(told))
    kept = names.model_copy(update=dict.fromkeys(unfit))
    return config.model_copy(update={"recall": config.recall.model_copy(update={"names": kept})})


def needs_name_vectors(config: RecallConfig) -> bool:
    """Whether the text encoder is to read the tags' names, for the direct sources or for the tag tower."""
    learns = config.learnt is not None and "text" in config.learnt.tag_views
    return learns or any(getattr(config.names, source) for source in SOURCES)


def write_name_sources(
    folder: Path,
    catalog: TagCatalog,
    encoders: Encoders,
    config: NamesConfig,
    allowed: Mapping[Modality, NDArray[np.bool_]] = MappingProxyType({}),
) -> NamesEntry | None:
    """Write what the direct sources need; None, and nothing written, without a text encoder that reads the names.

    allowed: (N,) True for the tags that the modality's encoder may speak for; all, where it is not given.
    """
    if encoders.text is None:
        return None
    vectors = name_vectors(catalog.names[: config.tags], encoders.text)
    save_name_vectors(folder, vectors)
    classes: dict[str, int] = {}
    for modality in MODALITIES:
        encoder = getattr(encoders, modality)
        if isinstance(encoder, TellsClasses):
            may = allowed.get(modality, np.ones(len(catalog), np.bool_))[: len(vectors)]
            links = Linker(class_words(encoder), encoders.text, config.near).link(vectors, may)
            save_class_tags(folder, modality, links)
            classes[modality] = links.classes
    return NamesEntry(dim=vectors.shape[1], count=len(vectors), classes=classes)
