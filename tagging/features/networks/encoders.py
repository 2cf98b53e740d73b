"""Encoders whose networks are run by Triton or OpenVINO.

The CPU part (tokenising, resizing, log-mel, class probabilities) is the in-process encoder's own code; only tensors are
handed over. Where the results are equal, the fingerprint is that of the in-process encoder: a bundle that was trained
in-process is served through Triton as it is, and feature stores are shared.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tagging.features.base import ClassPredictor
from tagging.features.log_mel import log_mel
from tagging.features.networks.base import Network
from tagging.features.networks.contract import TOKENS_MULTIPLE
from tagging.types import Frames, Sound

TEXTS_PER_BATCH = 32  # fewer than Triton's model takes: texts of similar length share a batch, and batches overlap


class Texts(Protocol):
    """The CPU part of a text encoder."""

    dim: int
    fingerprint: str
    max_tokens: int

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text before truncation."""

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, truncated, with the special ones."""


class NetworkTextEncoder:
    """A TextEncoder."""

    def __init__(self, texts: Texts, fingerprint: str, network: Network) -> None:
        self._texts = texts
        self.network = network
        self.dim = texts.dim
        self.fingerprint = fingerprint
        self.max_tokens = texts.max_tokens

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text before truncation."""
        return self._texts.token_counts(texts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """B texts -> (B, D) unit rows. Texts of similar length share a batch."""
        tokens = self._texts.tokens(texts)
        rows = np.empty((len(texts), self.dim), np.float32)
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        batches = [order[start : start + TEXTS_PER_BATCH] for start in range(0, len(order), TEXTS_PER_BATCH)]
        found = self.network.many([padded([tokens[index] for index in batch]) for batch in batches])
        for batch, encoded in zip(batches, found, strict=True):
            rows[batch] = encoded["row"]
        return rows


class NetworkFrameEncoder:
    """A FrameEncoder. Its inputs are the pixels of pictures that have the size of the network's."""

    def __init__(
        self, pictures: Callable[[Frames], NDArray[np.uint8]], fingerprint: str, dim: int, network: Network
    ) -> None:
        """pictures: T pictures -> (T, H, W, 3)"""
        self._pictures = pictures
        self.network = network
        self.dim = dim
        self.batch_size = network.batch_size
        self.fingerprint = fingerprint

    def prepare(self, frames: Frames) -> NDArray[np.uint8]:
        """T pictures -> (T, H, W, 3)"""
        return self._pictures(frames)

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """(B, H, W, 3) -> (B, D)"""
        return self.network.rows({"pixels": inputs})


class NetworkSoundEncoder:
    """A SoundEncoder."""

    def __init__(self, fingerprint: str, dim: int, network: Network) -> None:
        self.network = network
        self.dim = dim
        self.batch_size = network.batch_size
        self.fingerprint = fingerprint

    def prepare(self, sound: Sound) -> NDArray[np.float32]:
        """Sound -> (S, 96, 64) natural log-mel examples."""
        return log_mel(sound)

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """(B, 96, 64) -> (B, D)"""
        return self.network.rows({"examples": inputs})


class _WithClasses:
    """The part of an encoder that predicts classes in this process: one small matrix."""

    def __init__(self, classes: ClassPredictor) -> None:
        self._classes = classes
        self.class_names = classes.class_names
        self.class_words = classes.class_words

    def beliefs(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, D) tokens -> (T, classes) probabilities."""
        return self._classes.beliefs(tokens)


class ClassifyingFrameEncoder(NetworkFrameEncoder, _WithClasses):
    """A FrameEncoder and a ClassPredictor."""

    def __init__(
        self,
        pictures: Callable[[Frames], NDArray[np.uint8]],
        classes: ClassPredictor,
        fingerprint: str,
        dim: int,
        network: Network,
    ) -> None:
        """pictures: T pictures -> (T, H, W, 3)"""
        NetworkFrameEncoder.__init__(self, pictures, fingerprint, dim, network)
        _WithClasses.__init__(self, classes)


class ClassifyingSoundEncoder(NetworkSoundEncoder, _WithClasses):
    """A SoundEncoder and a ClassPredictor."""

    def __init__(self, classes: ClassPredictor, fingerprint: str, dim: int, network: Network) -> None:
        NetworkSoundEncoder.__init__(self, fingerprint, dim, network)
        _WithClasses.__init__(self, classes)


def padded(tokens: Sequence[Sequence[int]]) -> dict[str, NDArray[Any]]:
    """Return the inputs of the text model for token ids: (B, T) ids and mask, T a multiple of TOKENS_MULTIPLE."""
    longest = max(map(len, tokens))
    width = -(-longest // TOKENS_MULTIPLE) * TOKENS_MULTIPLE
    ids, mask = np.ones((len(tokens), width), np.int32), np.zeros((len(tokens), width), np.bool_)
    for row, numbers in enumerate(tokens):
        ids[row, : len(numbers)] = numbers
        mask[row, : len(numbers)] = True
    return {"ids": ids, "mask": mask}
