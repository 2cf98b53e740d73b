"""Rank inputs: the ranker's view of videos whose frames and sound were encoded before and stored."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tagging.ragged import Tokens
from tagging.types import AnyModality, Candidates, Modality, ModalityFeatures, RankInput, VideoEmbeddings, VideoRef

Kind = TypeVar("Kind", bound=AnyModality)


def rank_inputs(
    videos: Sequence[VideoRef],
    tokens: Mapping[Modality, Tokens],
    embeddings: Sequence[VideoEmbeddings],
    candidates: Sequence[Candidates],
) -> list[RankInput]:
    """Return the ranker's input for each of B videos, from their stored tokens and their candidates."""
    return [
        RankInput(video, _features(tokens, index), rows, proposed)
        for index, (video, rows, proposed) in enumerate(zip(videos, embeddings, candidates, strict=True))
    ]


def only(tokens: Mapping[Kind, Tokens], rows: NDArray[np.int64]) -> dict[Kind, Tokens]:
    """Return the tokens of some of the videos, by row."""
    return {kind: stored.only(rows) for kind, stored in tokens.items()}


def _features(tokens: Mapping[Modality, Tokens], index: int) -> ModalityFeatures:
    of_video = {modality: stored.at(index) for modality, stored in tokens.items()}
    return ModalityFeatures(frames=of_video.get("frames"), audio=of_video.get("audio"))
