"""Recall and rank joined: from videos to ranked tags with their evidence.

VideoRef → MediaSample → ModalityFeatures → VideoEmbeddings → Candidates → TagScores → RankedTags
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tagging.ragged import Tokens
from tagging.types import Candidates, Modality, ModalityFeatures, RankInput, VideoRef


def rank_inputs(
    videos: Sequence[VideoRef], tokens: Mapping[Modality, Tokens], candidates: Sequence[Candidates]
) -> list[RankInput]:
    """What a ranker looks at, from the stored tokens of n videos."""
    return [
        RankInput(video, _features(tokens, place), proposed)
        for place, (video, proposed) in enumerate(zip(videos, candidates, strict=True))
    ]


def _features(tokens: Mapping[Modality, Tokens], place: int) -> ModalityFeatures:
    at = {name: one.at(place) for name, one in tokens.items()}
    return ModalityFeatures(frames=at.get("frames"), audio=at.get("audio"))


def only(tokens: Mapping[Modality, Tokens], rows: NDArray[np.int64]) -> dict[Modality, Tokens]:
    """Those of some of the videos."""
    return {name: one.only(rows) for name, one in tokens.items()}
