"""Small vision and audio encoders trained by this project; they need no download.

Each is one safetensors file: the network, the names of its classes with more general words for each, and the vectors of
these names in the space of the text encoder. The *name vector* of a token is the mean of the name vectors of its ten
most probable classes, weighted by their probabilities (ConSE, Norouzi et al. 2014; here the network learns the weights,
as DeViSE, Frome et al. 2013, learns the vector). Its length is at most 1, and shorter for less certain predictions.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from tagging.errors import ArtifactMismatchError
from tagging.features.log_mel import log_mel
from tagging.features.resnet import SmallResNet
from tagging.features.weights import fingerprint
from tagging.files.tensors import read_tensors
from tagging.types import Frames, Sound

SIDE = 112
FRAME_DIM = 256
SOUND_DIM = 128
PIXEL_MEAN, PIXEL_STD = 0.45, 0.27  # of all channels alike
MEL_MEAN, MEL_STD = -3.0, 2.6  # natural log
NAMED_CLASSES = 10  # classes in a name vector; the many improbable ones would add up to the mean of all names


class TrainedClasses:
    """The classes of a network's tokens: names, general words and probabilities (a ClassPredictor)."""

    def __init__(
        self,
        class_names: tuple[str, ...],
        class_words: tuple[tuple[str, ...], ...],
        logits: nn.Linear,
        probabilities: Callable[[Tensor], Tensor],
        device: str,
    ) -> None:
        """probabilities: of (T, classes) logits"""
        self.class_names = class_names
        self.class_words = class_words
        self._logits = logits
        self._probabilities = probabilities
        self._device = device

    def beliefs(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, D) -> (T, classes) probabilities."""
        with torch.inference_mode():
            logits = self._logits(torch.from_numpy(np.ascontiguousarray(tokens)).to(self._device))
            return self._probabilities(logits.cpu()).numpy()


class TrainedNetwork:
    """The parts that both encoders share: network, class names and their vectors."""

    def __init__(self, file: Path, kind: str, channels: int, dim: int, device: str) -> None:
        try:
            tensors, header = read_tensors(file)
            described = json.loads(header.get("videotag", "{}"))
            state = {name: tensor.float() for name, tensor in tensors.items()}
            if described.get("kind") != kind:
                raise ValueError(f"it is {described.get('kind', 'something else')!r}, not {kind!r}")
            self.class_names: tuple[str, ...] = tuple(described["class_names"])
            self.class_words = tuple(tuple(words) for words in described["class_words"])
            self.text_fingerprint = described["text_fingerprint"]
            self.anchors = state.pop("anchors").numpy()
            if self.anchors.shape[0] != len(self.class_names):
                raise ValueError(f"{len(self.class_names)} class names, anchors {self.anchors.shape}")
            with torch.device("meta"):  # skips the random initialisation
                network = SmallResNet(channels, dim, len(self.class_names))
            network.load_state_dict(state, assign=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ArtifactMismatchError(f"{file} is no {kind} encoder of videotag: {error}") from error
        self.network = network.eval().requires_grad_(False).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stubs lack it
        self.device = device
        self.fingerprint = fingerprint(kind, {"version": 1}, {"weights": file})

    def tokens(self, inputs: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            maps = self.network(inputs.to(self.device, memory_format=torch.channels_last))
            tokens: NDArray[np.float32] = maps.mean(dim=1).cpu().numpy()
        return tokens

    def classes(self, probabilities: Callable[[Tensor], Tensor]) -> TrainedClasses:
        return TrainedClasses(self.class_names, self.class_words, self.network.classes, probabilities, self.device)


class TrainedFrameEncoder:
    """A FrameEncoder; its classes exclude each other."""

    dim = FRAME_DIM

    def __init__(self, file: Path, batch_size: int, device: str = "cpu") -> None:
        self.model = TrainedNetwork(file, "videotag-vision", 3, FRAME_DIM, device)
        self.batch_size = batch_size
        self.fingerprint = self.model.fingerprint
        self.text_fingerprint = self.model.text_fingerprint
        self.class_names = self.model.class_names
        self.class_words = self.model.class_words
        self.classes = self.model.classes(partial(torch.softmax, dim=1))
        self.pictures = whole_pictures

    def prepare(self, frames: Frames) -> NDArray[np.float32]:
        """T pictures -> (T, 3, 112, 112): the whole picture, of any shape."""
        return normalised_pixels(self.pictures(frames))

    def encode(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 3, 112, 112) -> (B, 256)."""
        rows = np.empty((len(inputs), self.dim), np.float32)
        for start in range(0, len(inputs), self.batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + self.batch_size]))
            rows[start : start + len(batch)] = self.model.tokens(batch)
        return rows

    def beliefs(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, 256) -> (T, classes) probabilities that sum to 1."""
        return self.classes.beliefs(tokens)

    def name_vectors(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, 256) -> (T, D_text)."""
        return mean_names(self.beliefs(tokens), self.model.anchors)


class TrainedSoundEncoder:
    """A SoundEncoder; several of its classes may sound at once."""

    dim = SOUND_DIM

    def __init__(self, file: Path, batch_size: int, device: str = "cpu") -> None:
        self.model = TrainedNetwork(file, "videotag-audio", 1, SOUND_DIM, device)
        self.batch_size = batch_size
        self.fingerprint = self.model.fingerprint
        self.text_fingerprint = self.model.text_fingerprint
        self.class_names = self.model.class_names
        self.class_words = self.model.class_words
        self.classes = self.model.classes(torch.sigmoid)

    def prepare(self, sound: Sound) -> NDArray[np.float32]:
        """Sound -> (S, 96, 64) log-mel examples, framed as VGGish frames them."""
        return log_mel(sound)

    def encode(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 96, 64) -> (B, 128)."""
        rows = np.empty((len(inputs), self.dim), np.float32)
        for start in range(0, len(inputs), self.batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + self.batch_size]))
            rows[start : start + len(batch)] = self.model.tokens(normalised_mel(batch))
        return rows

    def beliefs(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(S, 128) -> (S, classes) independent probabilities."""
        return self.classes.beliefs(tokens)

    def name_vectors(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(S, 128) -> (S, D_text)."""
        return mean_names(self.beliefs(tokens), self.model.anchors)


def mean_names(beliefs: NDArray[np.float32], anchors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the name vectors (T, D) of (T, C) probabilities and (C, D) class names: the weighted mean of the top
    classes.

    Independent probabilities that sum to more than 1 are scaled to sum to 1.
    """
    named = min(NAMED_CLASSES, beliefs.shape[1])
    strongest = np.argpartition(-beliefs, named - 1, axis=1)[:, :named]
    kept = np.zeros_like(beliefs)
    np.put_along_axis(kept, strongest, np.take_along_axis(beliefs, strongest, 1), 1)
    vectors: NDArray[np.float32] = (kept / np.maximum(1.0, kept.sum(axis=1, keepdims=True))) @ anchors
    return vectors


def whole_pictures(frames: Frames) -> NDArray[np.uint8]:
    """T pictures -> (T, 112, 112, 3), without cropping."""
    return np.stack([whole(picture, SIDE) for picture in frames.pixels])


def whole(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(H, W, 3) -> (side, side, 3)."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR, reducing_gap=3.0))


def normalised_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(B, H, W, 3) RGB -> (B, 3, H, W)."""
    scaled = (pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255 - PIXEL_MEAN) / PIXEL_STD
    return scaled.astype(np.float32, copy=False)


def normalised_mel(examples: Tensor) -> Tensor:
    """(B, 96, 64) natural log-mel -> (B, 1, 96, 64)."""
    return ((examples - MEL_MEAN) / MEL_STD)[:, None]
