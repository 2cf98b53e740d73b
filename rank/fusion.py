"""Noisy-or fusion of channel scores: the ranker of a bundle that was built without labelled videos.

    confidence = 1 - Π_c (1 - weight_c · score_c)

over the channels that proposed the tag (Pearl 1988, section 4.3.2: independent causes). A second channel that agrees
raises the confidence; a channel that did not propose the tag changes nothing. The result orders candidates but is not
calibrated.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tagging.config.rank import NoisyOrConfig
from tagging.types import RankInput, TagScores


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
        }

    def score(self, videos: Sequence[RankInput]) -> list[TagScores]:
        """Return the fused score of each candidate of each video, in the order of the candidates."""
        scores = []
        for video in videos:
            weights = np.array([self._weights[channel] for channel in video.candidates.channels], np.float32)
            weighted = np.nan_to_num(video.candidates.scores, nan=0.0) * weights
            scores.append(TagScores((1.0 - np.prod(1.0 - weighted, axis=1)).astype(np.float32)))
        return scores
