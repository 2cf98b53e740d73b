"""Channels over tags that were edited since the bundle was made."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from recall.channels.base import Channel
from recall.topk import best
from tagging.text import normalise
from tagging.types import ChannelTags, VideoEmbeddings

NOTHING = ChannelTags(np.zeros(0, np.int64), np.zeros(0, np.float32))


class Joined:
    """A channel, and what one of its kind says of spellings that were added, of which a tag may have several."""

    def __init__(self, channel: Channel, more: Channel, limit: int) -> None:
        self.name = channel.name
        self._channel = channel
        self._more = more
        self._limit = limit

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        pairs = zip(self._channel.recall(videos), self._more.recall(videos), strict=True)
        return [tags if more is None else joined(tags or NOTHING, more, self._limit) for tags, more in pairs]


class WithoutSpellings:
    """A channel of spellings that stand in the text, without those that were taken from their tags."""

    def __init__(self, channel: Channel, forms: frozenset[str]) -> None:
        self.name = channel.name
        self._channel = channel
        self._forms = forms  # normalised

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        return [None if tags is None else self._without(tags) for tags in self._channel.recall(videos)]

    def _without(self, tags: ChannelTags) -> ChannelTags:
        return only(
            tags, [place for place, one in enumerate(tags.evidence) if normalise(one.text or "") not in self._forms]
        )


def joined(tags: ChannelTags, more: ChannelTags, limit: int) -> ChannelTags:
    """Of each tag the better of the two."""
    rows = np.concatenate([tags.tag_rows, more.tag_rows])
    scores = np.concatenate([tags.scores, more.scores])
    both = replace(tags, tag_rows=rows, scores=scores, evidence=(*tags.evidence, *more.evidence))
    order = best(scores, rows, len(rows))
    _, first = np.unique(rows[order], return_index=True)
    return only(both, order[np.sort(first)][:limit].tolist())


def redirected(tags: ChannelTags, redirects: Mapping[int, int]) -> ChannelTags:
    """With merged tags as what they became."""
    rows = np.array([redirects.get(row, row) for row in tags.tag_rows.tolist()], np.int64)
    _, first = np.unique(rows, return_index=True)  # tags come best first
    return only(replace(tags, tag_rows=rows), np.sort(first).tolist())


def only(tags: ChannelTags, places: Sequence[int]) -> ChannelTags:
    kept = np.array(places, np.int64)
    evidence = tuple(tags.evidence[place] for place in places) if tags.evidence else ()
    return replace(tags, tag_rows=tags.tag_rows[kept], scores=tags.scores[kept], evidence=evidence)
