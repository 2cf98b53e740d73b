"""Networks of PP-OCR outside this process, in the place of the sessions that RapidOCR makes.

RapidOCR's code resizes pictures, cuts lines out and decodes signs. It also normalises pixels, so they are turned back
into bytes here, of which a request needs a quarter, and the graph normalises them by a table: to the last bit what
RapidOCR would have given to its own session.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.features.networks.base import Network
from tagging.features.networks.contract import ModelSpec, screen_detect_model, screen_read_model
from tagging.features.weights import fingerprint

GRAPH = 1  # raised when the graph around the network computes something else
VALUES = np.arange(256, dtype=np.uint8)  # of a channel


@dataclass(frozen=True, slots=True, eq=False)
class ScreenNetwork:
    """A network of PP-OCR: its file, and what RapidOCR makes of the values of each channel's pixels."""

    spec: ModelSpec
    file: Path
    table: NDArray[np.float32]  # (3, 256), rising

    @property
    def fingerprint(self) -> str:
        """Changes with what the graph computes; bundles that read other frames share it."""
        settings = {"graph": GRAPH, "table": sha256(self.table.tobytes()).hexdigest()}
        return fingerprint(self.spec.name, settings, {"model.onnx": self.file})

    def pixels(self, normalised: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(B, 3, H, W) as RapidOCR gives it to a session -> the bytes that it was made of; any for padding."""
        low, high = self.table[:, :1, None], self.table[:, -1:, None]
        values: NDArray[np.uint8] = np.rint((normalised - low) * (VALUES[-1] / (high - low))).astype(np.uint8)
        return values


def screen_networks(ocr: Any, files: Mapping[str, Path]) -> tuple[ScreenNetwork, ScreenNetwork]:
    """Return the detector and the recogniser.

    ocr: the RapidOCR that has loaded both; files: det.onnx and rec.onnx
    """
    prepare, height = ocr.text_det.get_preprocess(), ocr.text_rec.rec_image_shape[1]
    picture = np.tile(VALUES[None, :, None], (height, 1, 3))  # of the height to which lines are resized
    detected = prepare.permute(prepare.normalize(picture))
    read = ocr.text_rec.resize_norm_img(picture, len(VALUES) / height)
    return (
        ScreenNetwork(screen_detect_model(), files["det.onnx"], _table(detected)),
        ScreenNetwork(screen_read_model(), files["rec.onnx"], _table(read)),
    )


class NetworkSession:
    """A session of RapidOCR's whose network is run elsewhere. Thread-safe."""

    def __init__(self, kind: ScreenNetwork, network: Network) -> None:
        self._kind = kind
        self.network = network


class DetectSession(NetworkSession):
    """Detects text."""

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 3, H, W) -> (B, 1, H, W) probabilities"""
        return self.network.rows({"pixels": self._kind.pixels(inputs)})


class ReadSession(NetworkSession):
    """Reads lines."""

    def __call__(self, inputs: NDArray[np.float32]) -> "MostProbable":
        """(B, 3, 48, W) -> the most probable sign of each of T steps. Padding is 0, which no byte is normalised to."""
        width = (inputs[:, 0, 0] != 0).sum(axis=1, keepdims=True, dtype=np.int32)
        [found] = self.network.many([{"pixels": self._kind.pixels(inputs), "width": width}])
        return MostProbable(found["signs"], found["probabilities"])


@dataclass(frozen=True, slots=True, eq=False)
class MostProbable:
    """The maximum over all signs, asked for as if this were the array (B, T, signs): as RapidOCR's decoder does."""

    signs: NDArray[Any]  # (B, T)
    probabilities: NDArray[np.float32]  # (B, T)

    def argmax(self, axis: int) -> NDArray[Any]:
        """Return (B, T) signs."""
        assert axis == 2
        return self.signs

    def max(self, axis: int) -> NDArray[np.float32]:
        """Return (B, T) probabilities."""
        assert axis == 2
        return self.probabilities


def network_sessions(
    network_of: Callable[[ScreenNetwork], Network], ocr: Any, files: Mapping[str, Path], threads: int
) -> tuple[DetectSession, ReadSession]:
    """Return sessions whose networks are those of `network_of`; with it bound, a Sessions of PpOcrReader."""
    detect, read = screen_networks(ocr, files)
    return DetectSession(detect, network_of(detect)), ReadSession(read, network_of(read))


def _table(normalised: NDArray[Any]) -> NDArray[np.float32]:
    """(3, H, 256 or more) -> (3, 256)"""
    return np.ascontiguousarray(normalised[:, 0, : len(VALUES)], np.float32)
