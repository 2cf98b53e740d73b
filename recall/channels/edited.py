"""Channels over edited tags: added spellings merged in, removed spellings filtered out, merged tags redirected."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from recall.channels.base import Channel, MeasuringChannel, Strength, UneditedChannel
from recall.query import RecallQuery
from recall.topk import top_k
from tagging.text.words import split_words
from tagging.types import ChannelTags, VideoEmbeddings

NO_TAGS = ChannelTags(np.zeros(0, np.int64), np.zeros(0, np.float32))


class MergedChannel(UneditedChannel):
    """A channel merged with another of its kind over added spellings, of which a tag may have several."""

    def __init__(self, channel: Channel, added: Channel, limit: int) -> None:
        self.name = channel.name
        self._channel = channel
        self._added = added
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        pairs = zip(self._channel.recall(queries), self._added.recall(queries), strict=True)
        return [tags if added is None else best_of(tags or NO_TAGS, added, self._limit) for tags, added in pairs]

    def strength_of(self, video: VideoEmbeddings, tag_row: int) -> Strength | None:
        """Return the higher strength of a tag in both channels; None if neither measures it."""
        channels = (self._channel, self._added)
        found = [each.strength_of(video, tag_row) for each in channels if isinstance(each, MeasuringChannel)]
        return max(filter(None, found), key=lambda strength: strength.strength, default=None)


class WithoutSpellings(UneditedChannel):
    """Channel of spellings that occur in the text, except spellings that were removed from their tags."""

    def __init__(self, channel: Channel, removed: frozenset[str]) -> None:
        """removed: normalised spellings"""
        self.name = channel.name
        self._channel = channel
        self._removed = frozenset(map(_letters, removed))

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        return [None if tags is None else self._without(tags) for tags in self._channel.recall(queries)]

    def _without(self, tags: ChannelTags) -> ChannelTags:
        texts = [_letters(evidence.text or "") for evidence in tags.evidence]
        return only(tags, [index for index, text in enumerate(texts) if text not in self._removed])


def _letters(text: str) -> str:
    """Return the words of a text without spaces: "#BlackFriday" is the spelling "black friday", and "blackfriday"."""
    return "".join(split_words(text))


def best_of(tags: ChannelTags, added: ChannelTags, limit: int) -> ChannelTags:
    """Return at most `limit` tags of both, each with the higher of its scores."""
    rows = np.concatenate([tags.tag_rows, added.tag_rows])
    scores = np.concatenate([tags.scores, added.scores])
    both = replace(tags, tag_rows=rows, scores=scores, evidence=(*tags.evidence, *added.evidence))
    order = top_k(scores, rows, len(rows))
    _, first = np.unique(rows[order], return_index=True)
    return only(both, order[np.sort(first)][:limit].tolist())


def redirected(tags: ChannelTags, redirects: Mapping[int, int]) -> ChannelTags:
    """Return the tags with each merged one replaced by the tag it was merged into; the higher score wins."""
    rows = np.array([redirects.get(row, row) for row in tags.tag_rows.tolist()], np.int64)
    _, first = np.unique(rows, return_index=True)  # tags come best first
    return only(replace(tags, tag_rows=rows), np.sort(first).tolist())


def only(tags: ChannelTags, indices: Sequence[int]) -> ChannelTags:
    """Return the tags at these positions, in their order."""
    kept = np.array(indices, np.int64)
    evidence = tuple(tags.evidence[index] for index in indices) if tags.evidence else ()
    return replace(tags, tag_rows=tags.tag_rows[kept], scores=tags.scores[kept], evidence=evidence)
