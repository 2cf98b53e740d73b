"""The direct sources: what a video says, shows and sounds like against the tags' own names.

A tag needs no labelled video for this, so new tags, and bundles without any, are recalled at once. A tag's strength is

    written         the cosine of the text's embedding with that of the tag's name
    seen, heard     the mean over the `share` of the tokens t where it is largest of (Σ_c b_tc k_c - p) / (1 - p), or
                    of max_c b_tc k_c: b_tc is what the encoder believes of class c in frame or example t, k_c how far
                    the class's name, or a general word for it, means the tag, and p the mean of all k_c, what an
                    encoder that knows nothing would say: two of five classes are animals

Strength becomes a probability by a logistic curve fitted on judged clips and real titles, and a name weaker than the
source's threshold is not proposed at all. A name that stands in the title, or in the description, has curves of
its own: then the cosine says whether the word is what the text is about.

The dot product of a token's name vector Σ_c b_c v_c with the tag's is the same sum with k_c the plain cosine. It was
rejected: it puts the neighbours of a right class beside it, "hammerhead shark" for a dolphin, "silence" for a dog.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recall.channels.lexicon import Lexicon
from tagging.config.recall import NamesConfig, StrengthConfig
from tagging.types import ChannelTags, ClassTags, Evidence, Modality, VideoEmbeddings

EXAMPLE_S = 0.96  # between the starts of two sound examples
Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


def token_strengths(beliefs: NDArray[np.floating], links: ClassTags, together: str) -> tuple[Rows, Scores]:
    """(T, classes) beliefs -> the n tags that some class speaks for, and (T, n) what is believed of each, in [0, 1].

    "sum" is for classes that exclude each other, "max" for those that do not.
    """
    tag_rows, starts = np.unique(links.tag_rows, return_index=True)
    spoken = beliefs[:, links.class_rows].astype(np.float32) * links.weights  # (T, P)
    if together == "max":
        return tag_rows, np.maximum.reduceat(spoken, starts, axis=1)
    blind = np.add.reduceat(links.weights, starts) / links.classes  # (n,) of beliefs that are all alike
    beyond = (np.add.reduceat(spoken, starts, axis=1) - blind) / np.maximum(1.0 - blind, 1e-6)
    return tag_rows, beyond.clip(0.0, 1.0)


def strongest(strengths: Scores, share: float) -> Scores:
    """(T, n) -> (n,) the mean of each tag's largest ⌈share · T⌉."""
    kept = math.ceil(share * len(strengths))
    if kept < len(strengths):
        strengths = np.partition(strengths, len(strengths) - kept, axis=0)[-kept:]
    return np.asarray(strengths.mean(axis=0), np.float32)


def probability(strength: Scores, config: StrengthConfig) -> Scores:
    """(n,) in [0, 1]; 0 below the threshold."""
    likely = 1.0 / (1.0 + np.exp(-(config.slope * strength.astype(np.float64) + config.intercept)))
    return np.where(strength >= config.least, likely, 0.0).astype(np.float32)


class SensedNames:
    """Names seen in the frames, or heard in the sound."""

    def __init__(self, name: str, modality: Modality, links: ClassTags, config: StrengthConfig, limit: int) -> None:
        """links: of the classes of the modality's encoder, at least one pair."""
        if not len(links.tag_rows):
            raise ValueError(f"no class speaks for a tag to be {name}")
        self.name = name
        self._modality = modality
        self._links = links
        self._config = config
        self._limit = limit

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        beliefs = [video.beliefs.get(self._modality) for video in videos]
        return [None if one is None else self._recall(one) for one in beliefs]

    def _recall(self, beliefs: NDArray[np.floating]) -> ChannelTags:
        if beliefs.shape[1] != self._links.classes:
            raise ValueError(f"beliefs {beliefs.shape}, links of {self._links.classes} classes")
        tag_rows, by_token = token_strengths(beliefs, self._links, self._config.together)
        strength = strongest(by_token, self._config.share)
        likely = probability(strength, self._config)
        best = _best(likely, strength, tag_rows, self._limit)
        clearest = by_token[:, best].argmax(axis=0).tolist()
        evidence = tuple(
            self._evidence(float(strength[place]), token, len(by_token))
            for place, token in zip(best, clearest, strict=True)
        )
        return ChannelTags(tag_rows[best], likely[best], evidence=evidence)

    def _evidence(self, strength: float, token: int, tokens: int) -> Evidence:
        if self._modality == "frames":
            return Evidence(self.name, "frame", strength, frame=token + 1, frames=tokens)
        return Evidence(self.name, "sound", strength, start_s=round(token * EXAMPLE_S, 2))


class WrittenNames:
    """Names that stand in title or description, and names that mean nearly what these say."""

    name = "written"

    def __init__(
        self,
        names: NDArray[np.float32],
        tag_rows: Rows,
        spellings: Sequence[Sequence[str]],
        config: NamesConfig,
        limit: int,
    ) -> None:
        """names: (n, D) unit rows; tag_rows: (n,) their catalog rows; spellings: (n) names and aliases."""
        if not len(names) == len(tag_rows) == len(spellings):
            raise ValueError(f"names {names.shape} of {len(tag_rows)} tags, spellings of {len(spellings)}")
        self._names = names
        self._tag_rows = tag_rows
        self._lexicon = Lexicon(spellings)
        self._config = config
        self._limit = limit

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        return [self._recall(video, video.rows["text"]) if "text" in video.rows else None for video in videos]

    def _recall(self, video: VideoEmbeddings, text: NDArray[np.float32]) -> ChannelTags:
        cosines = self._names @ text
        likely = np.zeros(len(cosines), np.float32)
        if self._config.written is not None:
            likely = probability(cosines, self._config.written)
        words: dict[int, str] = {}
        for part, config in self._parts(video):
            for match in self._lexicon.matches(part):
                chance = probability(cosines[[match.place]], config)[0]
                if chance > 0:
                    likely[match.place] = max(likely[match.place], chance)
                    words[match.place] = match.text
        best = _best(likely, cosines, self._tag_rows, self._limit)
        whole = " ".join((video.title.strip() or video.description).split())
        evidence = tuple(
            Evidence(self.name, "text", float(cosines[place]), text=words.get(place, whole)) for place in best.tolist()
        )
        return ChannelTags(self._tag_rows[best], likely[best], evidence=evidence)

    def _parts(self, video: VideoEmbeddings) -> list[tuple[str, StrengthConfig]]:
        """The texts to look for names in, the title last; a description alone is read as a title is."""
        title, description = video.title.strip(), video.description
        parts = ((description if title else "", self._config.described), (title or description, self._config.literal))
        return [(part, config) for part, config in parts if part and config is not None]


def _best(likely: Scores, strength: Scores, tag_rows: Rows, limit: int) -> Rows:
    """Places of what is likely at all, the likeliest first; equal ones by strength, then by row."""
    order = np.lexsort((tag_rows, -strength, -likely))[:limit]
    return order[likely[order] > 0]
