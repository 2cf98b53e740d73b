"""Name channels: tag names that are written in the text, seen in the frames or heard in the sound.

These channels need no labelled videos, so they find new tags, and work in bundles without labelled videos. The
strength of a tag is

    written         the cosine of the text's embedding and that of the tag's name
    seen, heard     the mean over the `share` of the tokens t where it is largest of (Σ_c b_tc k_c - p) / (1 - p), or
                    of max_c b_tc k_c: b_tc is the encoder's probability of class c in frame or example t, k_c the
                    similarity in meaning of the tag and the name of the class or a general word for it, and p the mean
                    of all k_c, the result of a uniform prediction: two of five classes are animals

A logistic curve, fitted on reviewed clips and real titles, turns strength into a probability; names below the
threshold of the channel are not proposed. Names that occur in the title or in the description have separate
curves: for these the cosine decides whether the text is about the word, together with the case of the name. A proper
name ("Minecraft", "One Piece") is right far more often than a word ("forest", "pick"); the case and the number of the
words in the title say less (tagging/starter/BENCHMARKS.md).

Rejected: the dot product of a token's name vector Σ_c b_c v_c with the tag's, which is the same sum with k_c the plain
cosine (ConSE, Norouzi et al. 2014). It ranks embedding neighbours of a correct class next to it, "hammerhead shark" for
a dolphin, "silence" for a dog.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recall.channels.base import CatalogEdits, Channel, Strength
from recall.channels.edited import MergedChannel, WithoutSpellings
from recall.channels.named_tags import NamedTags
from recall.channels.strength import best_positions, probability
from recall.channels.token_spans import example_bounds, token_spans
from recall.query import RecallQuery
from tagging.config.recall import NamesConfig, StrengthConfig
from tagging.types import ChannelTags, ClassTags, Evidence, FloatRows, Indices, Modality, VideoEmbeddings


def token_strengths(beliefs: NDArray[np.floating], links: ClassTags, combine: str) -> tuple[Indices, FloatRows]:
    """Return the n tags that are linked to a class, and the strength (T, n) of each in every token, in [0, 1].

    beliefs: (T, classes) probabilities
    combine: "sum" for classes that exclude each other, otherwise "max"
    """
    tag_rows, starts = np.unique(links.tag_rows, return_index=True)
    weighted = beliefs[:, links.class_rows].astype(np.float32) * links.weights  # (T, P)
    if combine == "max":
        return tag_rows, np.maximum.reduceat(weighted, starts, axis=1)
    chance = np.add.reduceat(links.weights, starts) / links.classes  # (n,) the sum under equal probabilities
    beyond = (np.add.reduceat(weighted, starts, axis=1) - chance) / np.maximum(1.0 - chance, 1e-6)
    return tag_rows, beyond.clip(0.0, 1.0)


def strongest(strengths: FloatRows, share: float) -> FloatRows:
    """Return the mean (n,) of each tag's largest ⌈share · T⌉ strengths; strengths: (T, n)."""
    kept = math.ceil(share * len(strengths))
    if kept < len(strengths):
        strengths = np.partition(strengths, len(strengths) - kept, axis=0)[-kept:]
    return np.asarray(strengths.mean(axis=0), np.float32)


class SensedNames:
    """Names of classes recognised in the frames or in the sound."""

    def __init__(self, name: str, modality: Modality, links: ClassTags, config: StrengthConfig, limit: int) -> None:
        """links: from the classes of the modality's encoder, at least one pair; ValueError without one."""
        if not len(links.tag_rows):
            raise ValueError(f"no class means a tag, so none can be {name}")
        self.name = name
        self.modality = modality
        self._links = links
        self._config = config
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        return [
            self._recall(query.video.beliefs[self.modality], self._bounds(query.video))
            if self.modality in query.video.beliefs
            else None
            for query in queries
        ]

    def with_tags(self, edits: CatalogEdits) -> Channel:
        links = edits.added.links.get(self.modality)
        if links is None or not len(links.tag_rows):
            return self
        added = SensedNames(self.name, self.modality, links, self._config, self._limit)
        return MergedChannel(self, added, self._limit)

    def strength_of(self, video: VideoEmbeddings, tag_row: int) -> Strength | None:
        """Return the strength of a tag; None without the modality, or if no class of its encoder means the tag."""
        of_tag = self._links.tag_rows == tag_row
        if self.modality not in video.beliefs or not of_tag.any():
            return None
        links = replace(
            self._links,
            tag_rows=self._links.tag_rows[of_tag],
            class_rows=self._links.class_rows[of_tag],
            weights=self._links.weights[of_tag],
        )
        _, by_token = token_strengths(video.beliefs[self.modality], links, self._config.together)
        return Strength(float(strongest(by_token, self._config.share)[0]), self._config.least)

    def _bounds(self, video: VideoEmbeddings) -> NDArray[np.float64] | None:
        """Return start and end (T, 2) of the tokens in seconds; None where they are unknown."""
        return video.frame_spans if self.modality == "frames" else example_bounds(len(video.beliefs[self.modality]))

    def _recall(self, beliefs: NDArray[np.floating], bounds: NDArray[np.float64] | None) -> ChannelTags:
        if beliefs.shape[1] != self._links.classes:
            raise ValueError(f"beliefs {beliefs.shape}, links of {self._links.classes} classes")
        tag_rows, by_token = token_strengths(beliefs, self._links, self._config.together)
        strength = strongest(by_token, self._config.share)
        probabilities = probability(strength, self._config)
        best = best_positions(probabilities, strength, tag_rows, self._limit)
        evidence = tuple(self._evidence(float(strength[index]), by_token[:, index], bounds) for index in best.tolist())
        return ChannelTags(tag_rows[best], probabilities[best], evidence=evidence)

    def _evidence(self, strength: float, by_token: FloatRows, bounds: NDArray[np.float64] | None) -> Evidence:
        """Return the evidence of one tag; by_token: (T,) its strength in each frame or example."""
        clearest = int(by_token.argmax())
        spans = () if bounds is None else token_spans(by_token, bounds, self.modality)
        start_s, end_s = (None, None) if bounds is None else bounds[clearest].tolist()
        if self.modality == "frames":
            evidence = Evidence(self.name, "frame", strength, frame=clearest + 1, frames=len(by_token))
        else:
            evidence = Evidence(self.name, "sound", strength)
        return replace(evidence, start_s=start_s, end_s=end_s, spans=spans)


class WrittenNames:
    """Names that occur in title or description, and names close to them in meaning."""

    name = "written"

    def __init__(self, tags: NamedTags, config: NamesConfig, limit: int) -> None:
        self._tags = tags
        self._config = config
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        return [self._recall(query.video, query.rows["text"]) if "text" in query.rows else None for query in queries]

    def with_tags(self, edits: CatalogEdits) -> Channel:
        channel = WithoutSpellings(self, edits.removed) if edits.removed else self
        vectors = edits.added.vectors
        if vectors is None or not len(vectors):
            return channel
        named = NamedTags.of(vectors, edits.added.tag_rows, [(name,) for name in edits.added.names])
        added = WrittenNames(named, self._config, self._limit)
        return MergedChannel(channel, added, self._limit)

    def _recall(self, video: VideoEmbeddings, text: FloatRows) -> ChannelTags:
        found = [(match, config) for part, config in self._parts(video) for match in self._tags.lexicon.matches(part)]
        names = np.array([match.index for match, _ in found], np.int64)
        positions, cosines, probabilities = self._near(names, text)
        words: dict[int, str] = {}
        for (match, config), index in zip(found, np.searchsorted(positions, names).tolist(), strict=True):
            strength = cosines[[index]] + config.proper * self._tags.is_proper[[match.index]]
            matched = probability(strength, config)[0]
            if matched > 0:
                probabilities[index] = max(probabilities[index], matched)
                words[index] = match.text
        tag_rows = self._tags.tag_rows[positions]
        best = best_positions(probabilities, cosines, tag_rows, self._limit)
        whole = video.title.strip() or video.description.strip()
        evidence = tuple(
            Evidence(self.name, "text", float(cosines[index]), text=words.get(index, whole)) for index in best.tolist()
        )
        return ChannelTags(tag_rows[best], probabilities[best], evidence=evidence)

    def _near(self, names: Indices, text: FloatRows) -> tuple[Indices, FloatRows, FloatRows]:
        """Return positions (n,), rising, cosines (n,) and probabilities (n,) of some names, and of those near the text.

        names: (m,) positions; text: (D,) unit row
        """
        config = self._config.written
        if (
            config is None
        ):  # the names alone, since a product with all of them takes longer than the rest of the channel
            positions = np.unique(names)
            return positions, self._tags.vectors[positions] @ text, np.zeros(len(positions), np.float32)
        cosines = self._tags.vectors @ text
        positions = np.union1d(names, np.flatnonzero(cosines >= config.least))
        return positions, cosines[positions], probability(cosines[positions], config)

    def _parts(self, video: VideoEmbeddings) -> list[tuple[str, StrengthConfig]]:
        """Return the texts to search for names, the title last; a description alone is treated as a title."""
        title, description = video.title.strip(), video.description
        parts = ((description if title else "", self._config.described), (title or description, self._config.literal))
        return [(part, config) for part, config in parts if part and config is not None]
