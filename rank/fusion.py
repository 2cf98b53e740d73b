"""Noisy-or fusion of channel scores: the ranker of a bundle that was built without labelled videos.

    confidence = 1 - Π_c (1 - weight_c · score_c)

over the channels that proposed the tag (Pearl 1988, section 4.3.2: independent causes). A second channel that agrees
raises the confidence; a channel that did not propose the tag changes nothing. The result orders candidates but is not
calibrated.

"written" and "extracted" read the same words, so they are not independent. They are combined first, by the mean of
their log-odds (logarithmic opinion pool, Genest & Zidek 1986): one knows the vocabulary, the other how creators choose
their tags. A name that extraction does not propose counts as one that it finds improbable.

Contributions: the causes add in -log(1 - confidence), not in log-odds. So the log-odds above those of a tag without
any cause, at FLOOR, are shared in proportion to -log(1 - weight_c · score_c).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from rank.base import Needed
from tagging.config.rank import NoisyOrConfig
from tagging.types import Candidates, FloatRows, RankInput, TagScores

WORDS = ("written", "extracted")  # channels that find names in title and description
IMPROBABLE = 0.1  # extraction's least say: below it, names of the catalog are as often right as at it
FLOOR = 1e-6  # confidence from which contributions start; confidences nearer to 0 or 1 have its log-odds


class NoisyOrRanker:
    def __init__(self, config: NoisyOrConfig) -> None:
        self._weights: Mapping[str, float] = {
            "text": config.text_weight,
            "video": config.video_weight,
            "audio": config.audio_weight,
            "written": config.written_weight,
            "seen": config.seen_weight,
            "heard": config.heard_weight,
            "spoken": config.spoken_weight,
            "shown": config.shown_weight,
            "extracted": config.extracted_weight,
        }

    def score(self, videos: Sequence[RankInput], needed: Sequence[Needed]) -> list[TagScores]:
        """Return the exact fused score of each candidate of each video, in the order of the candidates."""
        return [self._score(video.candidates) for video in videos]

    def _score(self, candidates: Candidates) -> TagScores:
        causes = self._causes(candidates)
        missed = np.prod([1.0 - probabilities for probabilities in causes.values()], axis=0)
        confidences = np.broadcast_to(1.0 - missed, len(candidates.tag_rows)).astype(np.float32)
        return TagScores(confidences, contributions(confidences, causes))

    def _causes(self, candidates: Candidates) -> dict[str, FloatRows]:
        """Return the probability (K,) that each independent cause gives; 0 where it did not propose the tag."""
        columns = {
            channel: candidates.scores[:, index] * self._weights[channel]
            for index, channel in enumerate(candidates.channels)
        }
        causes = {channel: scores for channel, scores in columns.items() if channel not in WORDS}
        words = [channel for channel in WORDS if channel in columns]
        if words:
            scores = [columns[channel] for channel in words]
            causes["+".join(words)] = scores[0] if len(words) == 1 else pooled(*scores)
        return {name: np.nan_to_num(scores, nan=0.0) for name, scores in causes.items()}


def contributions(confidences: FloatRows, causes: Mapping[str, FloatRows]) -> dict[str, NDArray[np.float64]]:
    """Return the log-odds (K,) that each cause adds to FLOOR's; with these, which are "base", they sum to each one's.

    confidences: (K,) of the causes' noisy-or
    causes: (K,) probabilities by name
    """
    base = float(logit(FLOOR))
    above = logit(np.clip(confidences.astype(np.float64), FLOOR, 1.0 - FLOOR)) - base
    evidence = {
        name: -np.log1p(-np.clip(scores.astype(np.float64), 0.0, 1.0 - FLOOR)) for name, scores in causes.items()
    }
    total = np.maximum(sum(evidence.values(), np.zeros(len(above))), np.finfo(np.float64).tiny)
    return {"base": np.full(len(above), base)} | {name: above * parts / total for name, parts in evidence.items()}


def pooled(written: FloatRows, extracted: FloatRows) -> FloatRows:
    """Return the probability (K,) of each name by two channels (K,), NaN where one did not propose it."""
    odds = [_log_odds(scores) for scores in (written, np.fmax(extracted, IMPROBABLE))]
    both = 1.0 / (1.0 + np.exp(-(odds[0] + odds[1]) / 2))
    return np.where(np.isnan(written), extracted, both).astype(np.float32)


def _log_odds(probabilities: FloatRows) -> FloatRows:
    clipped = np.clip(probabilities, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))
