"""Recall channel interface: a channel reads one aspect of a video and proposes tags."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from recall.query import MULTIMODAL, RecallQuery
from tagging.types import ChannelTags, ClassTags, FloatRows, Indices, Modality, PassageSource, VideoEmbeddings

# Channels of labelled videos and the view of a query that each searches.
NEIGHBOUR_VIEWS: dict[str, str] = {"text": "text", "video": "frames", "audio": "audio", MULTIMODAL: MULTIMODAL}
# Channels of tag names that are seen or heard, and the modality whose class probabilities each reads.
SENSED_MODALITIES: dict[str, Modality] = {"seen": "frames", "heard": "audio"}
# Channels of tag names in passages, and the source of the passages that each reads.
PASSAGE_CHANNELS: dict[str, PassageSource] = {"spoken": "speech", "shown": "screen"}


@dataclass(frozen=True, slots=True, eq=False)
class AddedSpellings:
    """Spellings that edits added, of tags that still exist; n spellings by rising tag row."""

    tag_rows: Indices  # (n,) a tag may have several spellings
    names: Sequence[str]  # n, as typed
    vectors: FloatRows | None  # (n, D) unit rows by the text encoder; None where no channel reads them
    links: Mapping[Modality, ClassTags]  # classes that mean the tags, by modality of the channels that read them


@dataclass(frozen=True, slots=True, eq=False)
class CatalogEdits:
    """The difference between a bundle's catalog and its edited state, as channels need it."""

    tags: int  # rows of the edited catalog
    row_of: Callable[[str], int | None]  # the tag of a raw spelling, or None
    removed: frozenset[str]  # normalised spellings that no longer belong to any tag
    added: AddedSpellings
    created: Indices  # (c,) rows of tags that were created and still exist
    created_vectors: FloatRows | None  # (c, D) unit rows of the tag tower, zeros for names without known n-grams


class Channel(Protocol):
    name: str

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        """Return the tags proposed for each query, best first; None for a query without the input of the channel."""

    def with_tags(self, edits: CatalogEdits) -> "Channel":
        """Return the channel over the edited tags, without changing this one. Called on the channels of the bundle."""


@dataclass(frozen=True, slots=True)
class Strength:
    """The strength of a tag in a channel, and the least strength from which the channel proposes a tag."""

    strength: float
    least: float


@runtime_checkable
class MeasuringChannel(Channel, Protocol):
    """A channel that can tell the strength of tags that it does not propose."""

    def strength_of(self, video: VideoEmbeddings, tag_row: int) -> Strength | None:
        """Return the strength of a tag; None without the channel's input, or if no class of its encoder means it."""


class UneditedChannel:
    """Base of channels that do not depend on tag names, so that edits do not change them."""

    def with_tags(self, _: CatalogEdits) -> Self:
        return self
