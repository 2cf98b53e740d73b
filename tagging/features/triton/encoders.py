"""Encoders whose networks run on Triton.

The CPU part (tokenising, resizing, log-mel, class probabilities) is the in-process encoder's own code; only tensors
travel. Fingerprints are those of the in-process encoders, because the results are equal: a bundle that was trained
in-process is served through Triton as it is, and feature stores are shared.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tagging.features.base import ClassPredictor
from tagging.features.log_mel import log_mel
from tagging.features.triton.contract import TOKENS_MULTIPLE
from tagging.features.triton.model import TritonModel
from tagging.types import Frames, Sound

TEXTS_PER_REQUEST = 32  # fewer than the model takes: texts of similar length share a request, and requests overlap


class Texts(Protocol):
    """The CPU part of a text encoder."""

    dim: int
    fingerprint: str
    max_tokens: int

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text before truncation."""

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, truncated, with the special ones."""


class TritonTextEncoder:
    """A TextEncoder."""

    def __init__(self, texts: Texts, model: TritonModel) -> None:
        self._texts = texts
        self.model = model
        self.dim = texts.dim
        self.fingerprint = texts.fingerprint
        self.max_tokens = texts.max_tokens

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text before truncation."""
        return self._texts.token_counts(texts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """B texts -> (B, D) unit rows. Texts of similar length share a request."""
        tokens = self._texts.tokens(texts)
        rows = np.empty((len(texts), self.dim), np.float32)
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        batches = [order[start : start + TEXTS_PER_REQUEST] for start in range(0, len(order), TEXTS_PER_REQUEST)]
        found = self.model.many([padded([tokens[index] for index in batch]) for batch in batches])
        for batch, encoded in zip(batches, found, strict=True):
            rows[batch] = encoded["row"]
        return rows


class TritonFrameEncoder:
    """A FrameEncoder. Its inputs are the pixels of pictures that have the size of the network's."""

    def __init__(
        self, pictures: Callable[[Frames], NDArray[np.uint8]], fingerprint: str, dim: int, model: TritonModel
    ) -> None:
        """pictures: T pictures -> (T, H, W, 3)"""
        self._pictures = pictures
        self.model = model
        self.dim = dim
        self.batch_size = model.spec.max_rows
        self.fingerprint = fingerprint

    def prepare(self, frames: Frames) -> NDArray[np.uint8]:
        """T pictures -> (T, H, W, 3)"""
        return self._pictures(frames)

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """(B, H, W, 3) -> (B, D)"""
        return self.model.rows({"pixels": inputs})


class TritonSoundEncoder:
    """A SoundEncoder."""

    def __init__(self, fingerprint: str, dim: int, model: TritonModel) -> None:
        self.model = model
        self.dim = dim
        self.batch_size = model.spec.max_rows
        self.fingerprint = fingerprint

    def prepare(self, sound: Sound) -> NDArray[np.float32]:
        """Sound -> (S, 96, 64) natural log-mel examples."""
        return log_mel(sound)

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """(B, 96, 64) -> (B, D)"""
        return self.model.rows({"examples": inputs})


class _WithClasses:
    """The part of an encoder that predicts classes in this process: one small matrix."""

    def __init__(self, classes: ClassPredictor) -> None:
        self._classes = classes
        self.class_names = classes.class_names
        self.class_words = classes.class_words

    def beliefs(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, D) tokens -> (T, classes) probabilities."""
        return self._classes.beliefs(tokens)


class ClassifyingFrameEncoder(TritonFrameEncoder, _WithClasses):
    """A FrameEncoder and a ClassPredictor."""

    def __init__(
        self,
        pictures: Callable[[Frames], NDArray[np.uint8]],
        classes: ClassPredictor,
        fingerprint: str,
        dim: int,
        model: TritonModel,
    ) -> None:
        """pictures: T pictures -> (T, H, W, 3)"""
        TritonFrameEncoder.__init__(self, pictures, fingerprint, dim, model)
        _WithClasses.__init__(self, classes)


class ClassifyingSoundEncoder(TritonSoundEncoder, _WithClasses):
    """A SoundEncoder and a ClassPredictor."""

    def __init__(self, classes: ClassPredictor, fingerprint: str, dim: int, model: TritonModel) -> None:
        TritonSoundEncoder.__init__(self, fingerprint, dim, model)
        _WithClasses.__init__(self, classes)


def models_of(encoders: Iterable[object]) -> list[TritonModel]:
    """Return the models of those of the encoders that run on Triton."""
    remote = (TritonTextEncoder, TritonFrameEncoder, TritonSoundEncoder)
    return [encoder.model for encoder in encoders if isinstance(encoder, remote)]


def padded(tokens: Sequence[Sequence[int]]) -> dict[str, NDArray[Any]]:
    """Return the inputs of the text model for token ids: (B, T) ids and mask, T a multiple of TOKENS_MULTIPLE."""
    longest = max(map(len, tokens))
    width = -(-longest // TOKENS_MULTIPLE) * TOKENS_MULTIPLE
    ids, mask = np.ones((len(tokens), width), np.int32), np.zeros((len(tokens), width), np.bool_)
    for row, numbers in enumerate(tokens):
        ids[row, : len(numbers)] = numbers
        mask[row, : len(numbers)] = True
    return {"ids": ids, "mask": mask}
