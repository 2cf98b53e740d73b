"""Rank inputs: the ranker's view of videos whose frames and sound were encoded before and stored."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tagging.ragged import Tokens
from tagging.types import Candidates, Modality, ModalityFeatures, RankInput, VideoRef


def rank_inputs(
    videos: Sequence[VideoRef], tokens: Mapping[Modality, Tokens], candidates: Sequence[Candidates]
) -> list[RankInput]:
    """Return the ranker's input for each of B videos, from their stored tokens and their candidates."""
    return [
        RankInput(video, _features(tokens, index), proposed)
        for index, (video, proposed) in enumerate(zip(videos, candidates, strict=True))
    ]


def only(tokens: Mapping[Modality, Tokens], rows: NDArray[np.int64]) -> dict[Modality, Tokens]:
    """Return the tokens of some of the videos, by row."""
    return {modality: stored.only(rows) for modality, stored in tokens.items()}


def _features(tokens: Mapping[Modality, Tokens], index: int) -> ModalityFeatures:
    of_video = {modality: stored.at(index) for modality, stored in tokens.items()}
    return ModalityFeatures(frames=of_video.get("frames"), audio=of_video.get("audio"))
