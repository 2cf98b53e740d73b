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

import numpy as np
from numpy.typing import NDArray

from recall.channels.base import CatalogEdits, Channel
from recall.channels.edited import MergedChannel, WithoutSpellings
from recall.channels.lexicon import Lexicon
from recall.query import RecallQuery
from recall.topk import top_k
from tagging.config.recall import NamesConfig, StrengthConfig
from tagging.types import ChannelTags, ClassTags, Evidence, FloatRows, Indices, Modality, VideoEmbeddings

EXAMPLE_S = 0.96  # between the starts of two sound examples


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


def probability(strength: FloatRows, config: StrengthConfig) -> FloatRows:
    """Return the probability (n,) in [0, 1] of each strength (n,); 0 below the threshold."""
    logistic = 1.0 / (1.0 + np.exp(-(config.slope * strength.astype(np.float64) + config.intercept)))
    return np.where(strength >= config.least, logistic, 0.0).astype(np.float32)


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
        beliefs = [query.video.beliefs.get(self.modality) for query in queries]
        return [None if probabilities is None else self._recall(probabilities) for probabilities in beliefs]

    def with_tags(self, edits: CatalogEdits) -> Channel:
        links = edits.added.links.get(self.modality)
        if links is None or not len(links.tag_rows):
            return self
        added = SensedNames(self.name, self.modality, links, self._config, self._limit)
        return MergedChannel(self, added, self._limit)

    def _recall(self, beliefs: NDArray[np.floating]) -> ChannelTags:
        if beliefs.shape[1] != self._links.classes:
            raise ValueError(f"beliefs {beliefs.shape}, links of {self._links.classes} classes")
        tag_rows, by_token = token_strengths(beliefs, self._links, self._config.together)
        strength = strongest(by_token, self._config.share)
        probabilities = probability(strength, self._config)
        best = _best(probabilities, strength, tag_rows, self._limit)
        clearest = by_token[:, best].argmax(axis=0).tolist()
        evidence = tuple(
            self._evidence(float(strength[index]), token, len(by_token))
            for index, token in zip(best, clearest, strict=True)
        )
        return ChannelTags(tag_rows[best], probabilities[best], evidence=evidence)

    def _evidence(self, strength: float, token: int, tokens: int) -> Evidence:
        if self.modality == "frames":
            return Evidence(self.name, "frame", strength, frame=token + 1, frames=tokens)
        return Evidence(self.name, "sound", strength, start_s=round(token * EXAMPLE_S, 2))


class WrittenNames:
    """Names that occur in title or description, and names close to them in meaning."""

    name = "written"

    def __init__(
        self,
        names: FloatRows,
        tag_rows: Indices,
        spellings: Sequence[Sequence[str]],
        config: NamesConfig,
        limit: int,
    ) -> None:
        """Read n tags.

        names:     (n, D) unit rows of their names by the text encoder
        tag_rows:  (n,) their catalog rows
        spellings: n, name and aliases of each
        """
        if not len(names) == len(tag_rows) == len(spellings):
            raise ValueError(f"names {names.shape} of {len(tag_rows)} tags, spellings of {len(spellings)}")
        self._names = names
        self._tag_rows = tag_rows
        self._lexicon = Lexicon(spellings)
        self._is_proper = np.array([any(map(str.isupper, forms[0])) for forms in spellings], np.float32)
        self._config = config
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        return [self._recall(query.video, query.rows["text"]) if "text" in query.rows else None for query in queries]

    def with_tags(self, edits: CatalogEdits) -> Channel:
        channel = WithoutSpellings(self, edits.removed) if edits.removed else self
        vectors = edits.added.vectors
        if vectors is None or not len(vectors):
            return channel
        spellings = [(name,) for name in edits.added.names]
        added = WrittenNames(vectors, edits.added.tag_rows, spellings, self._config, self._limit)
        return MergedChannel(channel, added, self._limit)

    def _recall(self, video: VideoEmbeddings, text: FloatRows) -> ChannelTags:
        cosines = self._names @ text
        probabilities = np.zeros(len(cosines), np.float32)
        if self._config.written is not None:
            probabilities = probability(cosines, self._config.written)
        words: dict[int, str] = {}
        for part, config in self._parts(video):
            for match in self._lexicon.matches(part):
                strength = cosines[[match.index]] + config.proper * self._is_proper[[match.index]]
                matched = probability(strength, config)[0]
                if matched > 0:
                    probabilities[match.index] = max(probabilities[match.index], matched)
                    words[match.index] = match.text
        best = _best(probabilities, cosines, self._tag_rows, self._limit)
        whole = video.title.strip() or video.description.strip()
        evidence = tuple(
            Evidence(self.name, "text", float(cosines[index]), text=words.get(index, whole)) for index in best.tolist()
        )
        return ChannelTags(self._tag_rows[best], probabilities[best], evidence=evidence)

    def _parts(self, video: VideoEmbeddings) -> list[tuple[str, StrengthConfig]]:
        """Return the texts to search for names, the title last; a description alone is treated as a title."""
        title, description = video.title.strip(), video.description
        parts = ((description if title else "", self._config.described), (title or description, self._config.literal))
        return [(part, config) for part, config in parts if part and config is not None]


def _best(probabilities: FloatRows, strength: FloatRows, tag_rows: Indices, limit: int) -> Indices:
    """Return positions of probabilities above 0, highest first; equal ones by strength, then by row."""
    best = top_k(probabilities, tag_rows, limit, strength)
    return best[probabilities[best] > 0]
