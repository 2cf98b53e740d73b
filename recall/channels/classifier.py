"""Classifier channel: the linear branch of the multimodal multi-label classifier, over tags known from training."""

from collections.abc import Sequence

import numpy as np
import torch

from recall.channels.base import UneditedChannel
from recall.model import RecallModel
from recall.query import RecallQuery
from recall.topk import top_k
from tagging.types import ChannelTags, FloatRows

BATCH = 128


class Classifier(UneditedChannel):
    """Tags that several uploaders use; scores are probabilities by softmax over the linear branch."""

    name = "classifier"

    def __init__(self, model: RecallModel, limit: int) -> None:
        self._model = model
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = [None] * len(queries)
        present, hidden = hidden_rows(queries)
        labels = self._model.labels
        for start in range(0, len(present), BATCH):
            probabilities = self._probabilities(hidden[start : start + BATCH])
            for index, row in zip(present[start : start + BATCH], probabilities, strict=True):
                chosen = top_k(row, labels, self._limit)
                proposed[index] = ChannelTags(labels[chosen], row[chosen])
        return proposed

    @torch.inference_mode()
    def _probabilities(self, hidden: FloatRows) -> FloatRows:
        logits = torch.from_numpy(hidden) @ self._model.weights.T + self._model.bias
        return np.asarray(logits.softmax(dim=1).numpy())


def hidden_rows(queries: Sequence[RecallQuery]) -> tuple[list[int], FloatRows]:
    """Return the positions of the n queries that the video tower could encode, and their h (n, D)."""
    present = [(index, query.hidden) for index, query in enumerate(queries) if query.hidden is not None]
    if not present:
        return [], np.zeros((0, 0), np.float32)
    return [index for index, _ in present], np.stack([hidden for _, hidden in present])
