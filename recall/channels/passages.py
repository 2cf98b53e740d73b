"""Passage channels: tags whose names are said in the video ("spoken") or stand on its screen ("shown").

Words that are said in passing are most often no tags, and words like "track" or "bag" are said in another sense than
the tag's. The strength of a name is therefore the cosine of the name and all passages of its source together: whether
the talk, or the text on the screen, is about it. A calibrated curve (`StrengthConfig`) with a bonus for proper names
turns it into a probability, as for names in titles (recall/channels/names.py).
"""

from collections.abc import Sequence

import numpy as np

from recall.channels.base import CatalogEdits, Channel
from recall.channels.edited import MergedChannel, WithoutSpellings
from recall.channels.named_tags import NamedTags
from recall.channels.strength import best_positions, probability
from recall.query import RecallQuery
from tagging.config.recall import StrengthConfig
from tagging.types import ChannelTags, Evidence, FloatRows, Passage, PassageSource, TimeSpan


class PassageNames:
    """Names of tags that occur in the passages of one source."""

    def __init__(self, name: str, source: PassageSource, tags: NamedTags, config: StrengthConfig, limit: int) -> None:
        self.name = name
        self.source = source
        self._tags = tags
        self._config = config
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        return [
            self._recall(query.video.passages[self.source], query.rows[self.source])
            if self.source in query.video.passages and self.source in query.rows
            else None
            for query in queries
        ]

    def with_tags(self, edits: CatalogEdits) -> Channel:
        channel = WithoutSpellings(self, edits.removed) if edits.removed else self
        vectors = edits.added.vectors
        if vectors is None or not len(vectors):
            return channel
        added = NamedTags.of(vectors, edits.added.tag_rows, [(name,) for name in edits.added.names])
        return MergedChannel(
            channel, PassageNames(self.name, self.source, added, self._config, self._limit), self._limit
        )

    def _recall(self, passages: Sequence[Passage], row: FloatRows) -> ChannelTags:
        """Return the tags named in the passages; row: (D,) unit row of all passages by the text encoder."""
        found: dict[int, list[tuple[Passage, str]]] = {}  # position of the name -> where it occurs, in order of time
        for passage in passages:
            for match in self._tags.lexicon.matches(passage.text):
                found.setdefault(match.index, []).append((passage, match.text))
        positions = np.array(sorted(found), np.int64)
        cosines = self._tags.vectors[positions] @ row
        probabilities = probability(cosines + self._config.proper * self._tags.is_proper[positions], self._config)
        tag_rows = self._tags.tag_rows[positions]
        best = best_positions(probabilities, cosines, tag_rows, self._limit)
        evidence = tuple(self._evidence(float(cosines[index]), found[int(positions[index])]) for index in best.tolist())
        return ChannelTags(tag_rows[best], probabilities[best], evidence=evidence)

    def _evidence(self, cosine: float, mentions: Sequence[tuple[Passage, str]]) -> Evidence:
        passage, text = max(mentions, key=lambda mention: mention[0].confidence)  # the first of equals
        spans = tuple(
            TimeSpan(mention.start_s, mention.end_s, self.source, mention.confidence) for mention, _ in mentions
        )
        return Evidence(
            self.name, self.source, cosine, text=text, start_s=passage.start_s, end_s=passage.end_s, spans=spans
        )
