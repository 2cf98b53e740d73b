"""Teacher networks of the distillation: MobileNetV2 (ImageNet), YAMNet and EfficientAT mn04 (AudioSet).

They are needed for training and measuring only; the package contains no part of them.
"""

import csv
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tagging.errors import MissingPackageError

SIDE = 224  # side of an input picture of MobileNetV2 in pixels
CLASSES = 1000  # of ImageNet, without the background
FEATURES = 1280
_MAP, _POOLED, _LOGITS = 171, 172, 174  # tensors of tf2_mobilenet_v2_1.0_224_ptq.tflite


class _Interpreter(Protocol):
    def set_tensor(self, index: int, value: NDArray[Any]) -> None: ...
    def invoke(self) -> None: ...
    def get_tensor(self, index: int) -> NDArray[Any]: ...


class MobileNet:
    """The post-training-quantised ImageNet MobileNetV2 (Sandler et al. 2018)."""

    def __init__(self, folder: Path) -> None:
        model = folder / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
        self._interpreter, self._input, self._scales = _open_tflite(model, (_MAP, _POOLED, _LOGITS))

    def predict(
        self, picture: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return probabilities (1000,), pooled features (1280,) and their map (7, 7, 1280) for (224, 224, 3) RGB."""
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        logits = self._read(_LOGITS).ravel()[1:]  # without the background class, which never applies here
        odds = np.exp(logits - logits.max())
        return odds / odds.sum(), self._read(_POOLED).ravel(), self._read(_MAP)[0]

    def _read(self, tensor: int) -> NDArray[np.float32]:
        scale, zero = self._scales[tensor]
        read: NDArray[np.float32] = (self._interpreter.get_tensor(tensor).astype(np.float32) - zero) * np.float32(scale)
        return read


class Yamnet:
    """YAMNet (Howard et al.): 521 independent probabilities and 1024 features of 0.975 s of sound at 16 kHz."""

    _POOLED = 112
    classes = 521
    features = 1024

    def __init__(self, folder: Path) -> None:
        self._interpreter, self._input, _ = _open_tflite(folder / "yamnet.tflite", (self._POOLED,))
        self._output = self._interpreter.get_output_details()[0]["index"]

    def predict(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return probabilities (521,) and features (1024,) for (15600,) samples in [-1, 1]."""
        self._interpreter.set_tensor(self._input, samples)
        self._interpreter.invoke()
        return (
            self._interpreter.get_tensor(self._output).ravel().astype(np.float32),
            self._interpreter.get_tensor(self._POOLED).ravel().astype(np.float32),
        )


class Mn04:
    """EfficientAT mn04_as (Schmid et al. 2023): 527 probabilities and 384 features of a sound of at least 1 s."""

    classes = 527
    features = 384
    _RATE_HZ = 32_000
    _FFT, _WINDOW, _HOP, _BANDS, _TOP_HZ = 1024, 800, 320, 128, 15_000

    def __init__(self, folder: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingPackageError(f"onnxruntime: {error}", "pip install 'videotag[distil]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "mn04_as_mel.onnx"), options)
        self._filters = self._mel_filters()
        window = np.hanning(self._WINDOW)
        margin = (self._FFT - self._WINDOW) // 2
        self._window = np.pad(window, (margin, margin)).astype(np.float32)

    def predict(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return probabilities (527,) and features (384,) for (n,) samples at 16 kHz in [-1, 1]."""
        mel = self._mel(_doubled_rate(samples))
        logits, features = self._session.run(["logits", "embedding"], {"mel": mel[None, None]})
        return (1 / (1 + np.exp(-logits[0]))).astype(np.float32), features[0].astype(np.float32)

    def _mel(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(samples) < self._RATE_HZ:
            samples = np.pad(samples, (0, self._RATE_HZ - len(samples)))
        emphasised = samples[1:] - np.float32(0.97) * samples[:-1]
        padded = np.pad(emphasised, self._FFT // 2, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, self._FFT)[:: self._HOP]
        power = np.abs(np.fft.rfft(windows * self._window)) ** 2
        mel = power[:, : self._FFT // 2] @ self._filters.T
        scaled: NDArray[np.float32] = ((np.log(mel + 1e-5) + 4.5) / 5).T.astype(np.float32)
        return scaled

    def _mel_filters(self) -> NDArray[np.float32]:
        def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
            return 1127.0 * np.log1p(hertz / 700.0)

        edges = np.linspace(0.0, float(mel(np.array(self._TOP_HZ))), self._BANDS + 2)
        bins = mel(np.arange(self._FFT // 2) * self._RATE_HZ / self._FFT)[None]
        low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
        rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
        return np.minimum(rising, falling).clip(0).astype(np.float32)


def yamnet_columns(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the columns of the classes common to both sound teachers: in YAMNet, and in mn04."""
    with (folder / "yamnet_class_map_521.csv").open(encoding="utf-8") as file:
        yamnet = {row["mid"]: int(row["index"]) for row in csv.DictReader(file)}
    with (folder / "audioset_class_labels_indices_527.csv").open(encoding="utf-8") as file:
        mn04 = {row["mid"]: int(row["index"]) for row in csv.DictReader(file)}
    both = [mid for mid in mn04 if mid in yamnet]
    return np.array([yamnet[mid] for mid in both]), np.array([mn04[mid] for mid in both])


def _doubled_rate(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Resample from 16 kHz to 32 kHz by zeros in the upper half of the spectrum."""
    spectrum = np.fft.rfft(samples)
    return (2 * np.fft.irfft(np.pad(spectrum, (0, len(samples) - len(spectrum) + 1)), 2 * len(samples))).astype(
        np.float32
    )


def _open_tflite(file: Path, tensors: tuple[int, ...]) -> tuple[Any, int, dict[int, tuple[float, int]]]:
    try:
        import ai_edge_litert.interpreter as litert
    except ImportError as error:
        raise MissingPackageError(f"ai_edge_litert: {error}", "pip install 'videotag[distil]'") from error
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns that keeping hidden tensors takes memory
        interpreter = litert.Interpreter(str(file), num_threads=1, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    details = {detail["index"]: detail["quantization"] for detail in interpreter.get_tensor_details()}
    return interpreter, interpreter.get_input_details()[0]["index"], {t: details[t] for t in tensors}
