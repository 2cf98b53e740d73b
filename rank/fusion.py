"""Noisy-or fusion of channel scores: the ranker of a bundle that was built without labelled videos.

    confidence = 1 - Π_c (1 - weight_c · score_c)

over the channels that proposed the tag (Pearl 1988, section 4.3.2: independent causes). A second channel that agrees
raises the confidence; a channel that did not propose the tag changes nothing. The result orders candidates but is not
calibrated.

"written" and "extracted" read the same words, so they are not independent. They are combined first, by the mean of
their log-odds (logarithmic opinion pool, Genest & Zidek 1986): one knows the vocabulary, the other how creators choose
their tags. A name that extraction does not propose counts as one that it finds improbable.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tagging.config.rank import NoisyOrConfig
from tagging.types import FloatRows, RankInput, TagScores

WORDS = ("written", "extracted")  # channels that find names in title and description
IMPROBABLE = 0.1  # extraction's least say: below it, names of the catalog are as often right as at it


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

    def score(self, videos: Sequence[RankInput]) -> list[TagScores]:
        """Return the fused score of each candidate of each video, in the order of the candidates."""
        fused = []
        for video in videos:
            columns = {
                channel: video.candidates.scores[:, index] * self._weights[channel]
                for index, channel in enumerate(video.candidates.channels)
            }
            independent = [scores for channel, scores in columns.items() if channel not in WORDS]
            words = [columns[channel] for channel in WORDS if channel in columns]
            if words:
                independent.append(words[0] if len(words) == 1 else pooled(*words))
            missed = np.prod([1.0 - np.nan_to_num(scores, nan=0.0) for scores in independent], axis=0)
            fused.append(TagScores((1.0 - missed).astype(np.float32)))
        return fused


def pooled(written: FloatRows, extracted: FloatRows) -> FloatRows:
    """Return the probability (K,) of each name by two channels (K,), NaN where one did not propose it."""
    odds = [_log_odds(scores) for scores in (written, np.fmax(extracted, IMPROBABLE))]
    both = 1.0 / (1.0 + np.exp(-(odds[0] + odds[1]) / 2))
    return np.where(np.isnan(written), extracted, both).astype(np.float32)


def _log_odds(probabilities: FloatRows) -> FloatRows:
    clipped = np.clip(probabilities, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))
