"""Name sources: recall channels that find tags by their names in texts, frames and sound, without labelled videos.

The strengths of each source were fitted for one encoder. The sources read the vectors of the tags' names, and the links
from an encoder's classes to the tags that they indicate.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from recall.channels.base import Channel
from tagging.bundle.manifest import NamesEntry
from tagging.bundle.name_vectors import load_name_vectors, save_class_tags, save_class_words, save_name_vectors
from tagging.config.recall import NamesConfig, RecallConfig
from tagging.config.root import Config
from tagging.features.base import ClassPredictor
from tagging.features.factory import Encoders
from tagging.features.names import Linker, class_words, name_vectors, word_vectors
from tagging.pipeline.recall_parts import named_channels
from tagging.tags.catalog import TagCatalog
from tagging.text.normalise import normalise
from tagging.types import Modality

logger = logging.getLogger(__name__)

# Each source, and the modality whose encoder it was fitted for.
SOURCES: dict[str, Modality] = {
    "literal": "text",
    "described": "text",
    "written": "text",
    "seen": "frames",
    "heard": "audio",
    "spoken": "text",
    "shown": "text",
}


@dataclass(frozen=True, slots=True, eq=False)
class NameSources:
    """The name channels of a bundle in the making, and the vectors that they and the tag tower read."""

    entry: NamesEntry | None = None  # None: there are no names
    vectors: NDArray[np.float32] | None = None  # (n, D) unit rows of the first n tags' names
    channels: Sequence[Channel] = ()


def without_foreign_sources(config: Config, encoders: Encoders) -> Config:
    """Return the configuration without the name sources that were fitted for other encoders than these."""
    names, present = config.recall.names, encoders.fingerprints()
    foreign = [
        source
        for source, modality in SOURCES.items()
        if getattr(names, source) is not None
        and (modality not in present or names.fitted_for.get(modality, present[modality]) != present[modality])
    ]
    if not foreign:
        return config
    if dropped := [source for source in foreign if SOURCES[source] in present]:
        logger.warning("name sources left out: %s; they were fitted for another encoder", ", ".join(dropped))
    remaining = names.model_copy(update=dict.fromkeys(foreign))
    return config.model_copy(update={"recall": config.recall.model_copy(update={"names": remaining})})


def needs_name_vectors(config: RecallConfig) -> bool:
    """Return whether the text encoder has to encode the tags' names, for the name sources or for the tag tower."""
    in_tower = config.learnt is not None and "text" in config.learnt.tag_views
    return in_tower or any(getattr(config.names, source) for source in SOURCES)


def write_name_sources(
    folder: Path,
    catalog: TagCatalog,
    encoders: Encoders,
    config: NamesConfig,
    allowed: Mapping[Modality, NDArray[np.bool_]] = MappingProxyType({}),
) -> NamesEntry | None:
    """Write the files that the name sources read; return None and write nothing without a text encoder.

    allowed: (N,) True for the tags that the modality's encoder may indicate; a modality without an entry may all.
    """
    if encoders.text is None:
        return None
    named = catalog.names[: config.tags]
    vectors = name_vectors(named, encoders.text)
    save_name_vectors(folder, vectors)
    predictors: dict[Modality, ClassPredictor] = {
        modality: encoder for modality, encoder in encoders.present().items() if isinstance(encoder, ClassPredictor)
    }
    names = dict(zip(map(normalise, named), vectors, strict=True))
    words = {word for encoder in predictors.values() for of_class in class_words(encoder) for word in of_class}
    rows = word_vectors(sorted(words), encoders.text, names)
    classes: dict[str, int] = {}
    for modality, encoder in predictors.items():
        may_indicate = allowed.get(modality, np.ones(len(catalog), np.bool_))[: len(vectors)]
        linker = Linker(class_words(encoder), encoders.text, config.near, rows)
        links = linker.link(named, vectors, may_indicate)
        save_class_tags(folder, modality, links)
        classes[modality] = links.classes
    others = {word: row for word, row in rows.items() if word not in names}
    if others:
        save_class_words(folder, others)
    return NamesEntry(dim=vectors.shape[1], count=len(vectors), classes=classes, words=len(others))


def load_name_sources(folder: Path, entry: NamesEntry | None, config: RecallConfig, catalog: TagCatalog) -> NameSources:
    """Return the name sources of a folder as a bundle will read them: vectors rounded to fp16."""
    if entry is None:
        return NameSources()
    return NameSources(entry, load_name_vectors(folder, entry), named_channels(folder, entry, config, catalog))
