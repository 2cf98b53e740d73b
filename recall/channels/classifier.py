"""Channel 4, the multimodal classifier: its linear branch over known tags, and its similarity branch over all names."""

from collections.abc import Sequence

import numpy as np
import torch

from recall.model import Floats, RecallModel
from recall.topk import best
from tagging.types import ChannelTags, VideoEmbeddings

AT_ONCE = 128


class Classifier:
    """Tags that several uploaders use, by softmax over the linear branch; scores are its probabilities."""

    name = "classifier"

    def __init__(self, learnt: RecallModel, limit: int) -> None:
        self._learnt = learnt
        self._limit = limit

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = [None] * len(videos)
        places, hidden = _hidden(videos)
        labels = self._learnt.labels
        for start in range(0, len(places), AT_ONCE):
            likely = self._probabilities(hidden[start : start + AT_ONCE])
            for place, one in zip(places[start : start + AT_ONCE], likely, strict=True):
                chosen = best(one, labels, self._limit)
                proposed[place] = ChannelTags(labels[chosen], one[chosen])
        return proposed

    @torch.inference_mode()
    def _probabilities(self, hidden: Floats) -> Floats:
        logits = torch.from_numpy(hidden) @ self._learnt.weights.T + self._learnt.bias
        return np.asarray(logits.softmax(dim=1).numpy())


def _hidden(videos: Sequence[VideoEmbeddings]) -> tuple[list[int], Floats]:
    """Which videos have an h, and these (n, D)."""
    present = [(place, video.hidden) for place, video in enumerate(videos) if video.hidden is not None]
    if not present:
        return [], np.zeros((0, 0), np.float32)
    return [place for place, _ in present], np.stack([hidden for _, hidden in present])
