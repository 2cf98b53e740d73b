"""Edits of tags over a bundle that tags: a created tag is recalled and ranked from its names at once.

The bundle stays as it is. Channels that go by names get a small one of their kind beside them for the spellings that
were added; towers read a created tag's names once. So an edit costs what was edited, not what the catalog holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rank.base import Ranker
from rank.contrastive import ContrastiveRanker
from recall.channels.base import Channel
from recall.channels.edited import Joined, WithoutSpellings
from recall.channels.extracted import ExtractedTags
from recall.channels.name_words import NameWordsChannel
from recall.channels.names import SensedNames, WrittenNames
from recall.channels.tag_similarity import TagSimilarity
from recall.index.growing import GrowingIndex
from recall.index.products import unit_rows
from recall.name_words import MoreNames
from tagging.features.base import TellsClasses
from tagging.features.factory import Encoders
from tagging.features.names import Linker, class_words, name_vectors
from tagging.pipeline.recall_parts import SENSED_CHANNELS
from tagging.pipeline.recall_stage import RecallStage
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.types import ClassTags

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Spelled:
    """Spellings that were added, of tags that are not gone."""

    rows: NDArray[np.int64]  # (n,) of the tags, rising; a tag may have several spellings
    names: tuple[str, ...]  # (n)


class TagOverlay:
    """Of one bundle; reads every name once. Not for several threads."""

    def __init__(self, recall_stage: RecallStage, ranker: Ranker, encoders: Encoders) -> None:
        self._recall_stage = recall_stage
        self._ranker = ranker
        self._encoders = encoders
        self._vectors: dict[str, Floats] = {}  # by the text encoder
        self._ranked: dict[str, Floats] = {}  # by the ranker's tag tower
        self._towered: dict[str, Floats] = {}  # by recall's
        self._linkers: dict[str, Linker] = {}

    def warm(self) -> None:
        """What the first edit would wait for."""
        for name, modality in SENSED_CHANNELS.items():
            if any(channel.name == name for channel in self._recall_stage.channels):
                self._linker(modality)

    def edited(self, tags: EditedCatalog) -> tuple[RecallStage, Ranker]:
        """Recall and rank of the bundle under edited tags; those of before go on as they are."""
        catalog, spelled = tags.catalog(), _spelled(tags)
        created = [row for row in tags.created if not tags.is_gone(row)]
        channels = [self._edited(channel, tags, spelled, created) for channel in self._recall_stage.channels]
        recall_stage = self._recall_stage.edited(catalog, channels, tags.redirects, tags.spelling_overrides)
        ranker = self._ranker
        if isinstance(ranker, ContrastiveRanker):
            said = {tags.name_of(row): _said(tags, row) for row in created}
            _read(self._ranked, list(said.values()), ranker.scorer.encoder.encode_names)
            ranker = ranker.with_tag_vectors({name: self._ranked[one] for name, one in said.items()})
        return recall_stage, ranker

    def _edited(self, channel: Channel, tags: EditedCatalog, spelled: _Spelled, created: Sequence[int]) -> Channel:
        limit = self._recall_stage.config.tags_per_channel
        if isinstance(channel, ExtractedTags):
            return channel.spelled_otherwise(tags.find_spelling, len(tags))
        if isinstance(channel, TagSimilarity) and created:
            return self._like_names(channel, tags, created)
        if isinstance(channel, WrittenNames) and tags.removed_spellings:
            channel = WithoutSpellings(channel, tags.removed_spellings)
        if len(spelled.rows) and (more := self._more(channel.name, tags, spelled)) is not None:
            return Joined(channel, more, limit)
        return channel

    def _more(self, name: str, tags: EditedCatalog, spelled: _Spelled) -> Channel | None:
        """What the channel of that name says of added spellings."""
        config, text = self._recall_stage.config, self._encoders.text
        if name == NameWordsChannel.name:
            words = MoreNames(spelled.names, self._recall_stage.parts.words)
            return NameWordsChannel(words, spelled.rows, config.tags_per_channel)
        if text is None or name not in (WrittenNames.name, *SENSED_CHANNELS):
            return None
        _read(self._vectors, spelled.names, lambda names: name_vectors(names, text))
        vectors = np.stack([self._vectors[name] for name in spelled.names])
        if name == WrittenNames.name:
            spellings = [(name,) for name in spelled.names]
            return WrittenNames(vectors, spelled.rows, spellings, config.names, config.tags_per_channel)
        strength = {"seen": config.names.seen, "heard": config.names.heard}[name]
        links = _of_rows(
            self._linker(SENSED_CHANNELS[name]).link(vectors, np.ones(len(vectors), np.bool_)), spelled.rows
        )
        if strength is None or not len(links.tag_rows):
            return None
        return SensedNames(name, SENSED_CHANNELS[name], links, strength, config.tags_per_channel)

    def _like_names(self, channel: TagSimilarity, tags: EditedCatalog, created: Sequence[int]) -> Channel:
        parts = self._recall_stage.parts.learnt
        assert parts is not None
        assert parts.tags is not None
        learnt = parts.learnt
        said = [_said(tags, row) for row in created]
        _read(self._towered, said, learnt.tag_rows)
        rows = np.stack([self._towered[one] for one in said])
        known = rows.any(axis=1)
        if not known.any():
            return channel
        # As if one video had the tag, the least that the index has room for.
        bias = np.full((len(rows), 1), learnt.tag_bias.min().item(), np.float32)
        points = np.concatenate([learnt.head.scale().item() * rows, bias], axis=1)[known]
        index = GrowingIndex(parts.tags.index)
        index.add(unit_rows(points, learnt.longest()))
        return channel.over(index, np.concatenate([parts.tags.rows, np.array(created, np.int64)[known]]))

    def _linker(self, modality: str) -> Linker:
        if modality not in self._linkers:
            encoder, text = getattr(self._encoders, modality), self._encoders.text
            assert isinstance(encoder, TellsClasses)
            assert text is not None
            self._linkers[modality] = Linker(class_words(encoder), text, self._recall_stage.config.names.near)
        return self._linkers[modality]


def _spelled(tags: EditedCatalog) -> _Spelled:
    of = sorted(
        (tags.merged_into(row), form)
        for form, row in tags.added_spellings.items()
        if not tags.is_gone(tags.merged_into(row))
    )
    return _Spelled(np.array([row for row, _ in of], np.int64), tuple(form for _, form in of))


def _of_rows(links: ClassTags, rows: NDArray[np.int64]) -> ClassTags:
    """Links of spellings as links of their tags; rows: rising, of each spelling. The strongest of each pair counts."""
    weights: dict[tuple[int, int], float] = {}
    for row, of_class, weight in zip(
        rows[links.tag_rows].tolist(), links.class_rows.tolist(), links.weights, strict=True
    ):
        weights[row, of_class] = max(weights.get((row, of_class), 0.0), float(weight))
    pairs = sorted(weights)
    return ClassTags(
        np.array([row for row, _ in pairs], np.int64),
        np.array([of_class for _, of_class in pairs], np.int64),
        np.array([weights[pair] for pair in pairs], np.float32),
        links.classes,
    )


def _said(tags: EditedCatalog, row: int) -> str:
    """What towers read of a created tag."""
    said = ", ".join([tags.name_of(row), *tags.aliases_of(row)])
    description = tags.description_of(row)
    return f"{said}. {description}" if description else said


def _read(known: dict[str, Floats], names: Sequence[str], read: Callable[[list[str]], Floats]) -> None:
    unread = [name for name in dict.fromkeys(names) if name not in known]
    if unread:
        known.update(zip(unread, read(unread), strict=True))
