"""Models of PP-OCR on OpenVINO, in place of the sessions of ONNX Runtime that RapidOCR makes.

RapidOCR can make sessions of OpenVINO, too, but neither in f32 nor for several threads at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.features.openvino.network import CompiledNetwork
from tagging.features.openvino.package import core


class OpenVinoSession:
    """One model, called as RapidOCR calls its sessions. Thread-safe."""

    def __init__(self, file: Path, threads: int) -> None:
        self._network = CompiledNetwork(core().read_model(file), "f32", threads)

    def __call__(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the model's only output for (B, 3, H, W)."""
        [[output]] = self._network.run([[inputs]])
        return output


def openvino_sessions(ocr: Any, files: Mapping[str, Path], threads: int) -> tuple[OpenVinoSession, OpenVinoSession]:
    """Return the detector and the recogniser; Sessions of PpOcrReader."""
    return OpenVinoSession(files["det.onnx"], threads), OpenVinoSession(files["rec.onnx"], threads)
