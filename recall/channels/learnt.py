"""Channel 4, the multimodal classifier: its linear branch over known tags, and its similarity branch over all names."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from recall.learnt import Floats, Learnt
from tagging.types import ChannelTags, VideoEmbeddings

AT_ONCE = 128


class Classifier:
    """Tags that several uploaders use, by softmax over the linear branch; scores are its probabilities."""

    name = "classifier"

    def __init__(self, learnt: Learnt, limit: int) -> None:
        self._learnt = learnt
        self._limit = limit

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        return _recall(videos, self._probabilities, self._learnt.labels, self._limit)

    @torch.inference_mode()
    def _probabilities(self, hidden: Floats) -> Floats:
        logits = torch.from_numpy(hidden) @ self._learnt.weights.T + self._learnt.bias
        return np.asarray(logits.softmax(dim=1).numpy())


class LikeNames:
    """Every tag of the catalog by the tag tower's reading of its name, known from training or not."""

    name = "similarity"

    def __init__(self, learnt: Learnt, tags: Floats, limit: int) -> None:
        """tags: (N, D) unit rows of the tag tower, zeros where nothing of a name is known."""
        self._learnt = learnt
        self._tags = torch.from_numpy(tags)
        self._bias = learnt.tag_bias.masked_fill(~self._tags.any(dim=1), -torch.inf)
        self._limit = limit

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        return _recall(videos, self._probabilities, np.arange(len(self._tags)), self._limit)

    @torch.inference_mode()
    def _probabilities(self, hidden: Floats) -> Floats:
        head = self._learnt.head
        projected = functional.normalize(head.project(torch.from_numpy(hidden)), dim=1)
        logits = projected @ self._tags.T * head.scale() + self._bias
        return np.asarray(logits.softmax(dim=1).numpy())


def _recall(
    videos: Sequence[VideoEmbeddings], probabilities: Callable[[Floats], Floats], rows: NDArray[np.int64], limit: int
) -> list[ChannelTags | None]:
    proposed: list[ChannelTags | None] = [None] * len(videos)
    present = [(place, video.hidden) for place, video in enumerate(videos) if video.hidden is not None]
    for start in range(0, len(present), AT_ONCE):
        some = present[start : start + AT_ONCE]
        hidden = np.stack([one for _, one in some])
        for (place, _), likely in zip(some, probabilities(hidden), strict=True):
            count = min(limit, len(likely))
            best = np.argpartition(-likely, count - 1)[:count]
            best = best[np.lexsort((rows[best], -likely[best]))]
            proposed[place] = ChannelTags(rows[best], likely[best])
    return proposed
