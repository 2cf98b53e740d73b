"""Tag edits over a loaded bundle: a created tag is recalled and ranked from its names at once.

The bundle stays unchanged. Channels that read names get a small one of their kind for the spellings that were added;
towers encode the names of a created tag once. So the cost of an edit depends on what was edited, not on the catalog.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rank.contrastive import ContrastiveRanker
from recall.channels.base import AddedSpellings, CatalogEdits
from recall.channels.names import SensedNames
from tagging.features.names import Linker, name_vectors
from tagging.pipeline.models import PipelineModels
from tagging.pipeline.recall_stage import CatalogState
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.types import ClassTags, FloatRows, Indices, Modality


class TagOverlay:
    """Caches of vectors for the edits of one bundle; every name is encoded once. Not thread-safe."""

    def __init__(self, models: PipelineModels, load_linker: Callable[[Modality], Linker]) -> None:
        """models: without edits; load_linker: gives the linker of a modality whose encoder predicts classes"""
        self._models = models
        self._load_linker = load_linker
        self._text_vectors: dict[str, FloatRows] = {}  # by the text encoder
        self._recall_vectors: dict[str, FloatRows] = {}  # by recall's tag tower
        self._rank_vectors: dict[str, FloatRows] = {}  # by rank's tag tower
        self._linkers: dict[Modality, Linker] = {}
        self._sensed = [
            channel.modality for channel in models.recall_stage.channels if isinstance(channel, SensedNames)
        ]

    def warm(self) -> None:
        """Load what the first edit would otherwise wait for."""
        for modality in self._sensed:
            self._linker(modality)

    def edited(self, tags: EditedCatalog) -> PipelineModels:
        """Return the models over edited tags; the bundle's own stay as they are."""
        created = [row for row in tags.created if not tags.is_gone(row)]
        texts = [_tower_text(tags, row) for row in created]
        edits = CatalogEdits(
            tags=len(tags),
            row_of=tags.find_spelling,
            removed=tags.removed_spellings,
            added=self._added_spellings(tags),
            created=np.array(created, np.int64),
            created_vectors=self._encode_for_recall(texts),
        )
        state = CatalogState(tags.catalog(), tags.redirects, tags.spelling_overrides)
        ranker = self._models.ranker
        if isinstance(ranker, ContrastiveRanker):
            vectors = _cached(self._rank_vectors, texts, ranker.scorer.encoder.encode_names)
            ranker = ranker.with_tag_vectors(dict(zip(map(tags.name_of, created), vectors, strict=True)))
        recall_stage = self._models.recall_stage.with_tags(edits, state)
        return replace(self._models, recall_stage=recall_stage, ranker=ranker)

    def _added_spellings(self, tags: EditedCatalog) -> AddedSpellings:
        spelled = sorted(
            (tags.merged_into(row), spelling)
            for spelling, row in tags.added_spellings.items()
            if not tags.is_gone(tags.merged_into(row))
        )
        rows, names = np.array([row for row, _ in spelled], np.int64), [spelling for _, spelling in spelled]
        text = self._models.encoders.text
        if not names or text is None or not self._models.recall_stage.parts.named:
            return AddedSpellings(rows, names, None, {})
        vectors = np.stack(_cached(self._text_vectors, names, lambda unread: name_vectors(unread, text)))
        allowed = np.ones(len(vectors), np.bool_)
        links = {
            modality: _by_tag(self._linker(modality).link(names, vectors, allowed), rows) for modality in self._sensed
        }
        return AddedSpellings(rows, names, vectors, links)

    def _encode_for_recall(self, texts: Sequence[str]) -> FloatRows | None:
        parts = self._models.recall_stage.parts.recall_model
        if parts is None or parts.tags is None or not texts:
            return None
        return np.stack(_cached(self._recall_vectors, texts, parts.model.encode_tags))

    def _linker(self, modality: Modality) -> Linker:
        if modality not in self._linkers:
            self._linkers[modality] = self._load_linker(modality)
        return self._linkers[modality]


def _by_tag(links: ClassTags, rows: Indices) -> ClassTags:
    """Return links of spellings as links of their tags, the strongest of each pair; rows: rising, of each spelling."""
    weights: dict[tuple[int, int], float] = {}
    for row, class_row, weight in zip(
        rows[links.tag_rows].tolist(), links.class_rows.tolist(), links.weights, strict=True
    ):
        weights[row, class_row] = max(weights.get((row, class_row), 0.0), float(weight))
    pairs = sorted(weights)
    return ClassTags(
        np.array([row for row, _ in pairs], np.int64),
        np.array([class_row for _, class_row in pairs], np.int64),
        np.array([weights[pair] for pair in pairs], np.float32),
        links.classes,
    )


def _tower_text(tags: EditedCatalog, row: int) -> str:
    """Return the text that tag towers read of a created tag: name, aliases and description."""
    names = ", ".join([tags.name_of(row), *tags.aliases_of(row)])
    description = tags.description_of(row)
    return f"{names}. {description}" if description else names


def _cached(
    vectors: dict[str, FloatRows], texts: Sequence[str], encode: Callable[[list[str]], FloatRows]
) -> list[FloatRows]:
    """Return the vector (D,) of each text, encoding those that the cache lacks."""
    unread = [text for text in dict.fromkeys(texts) if text not in vectors]
    if unread:
        vectors.update(zip(unread, encode(unread), strict=True))
    return [vectors[text] for text in texts]
