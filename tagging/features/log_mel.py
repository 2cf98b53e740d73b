"""Log-mel examples of sound, as VGGish reads them (Hershey et al. 2017): 0.96 s of 64 bands every 0.96 s.

Bit for bit those of torchvggish's `waveform_to_examples`, which imports a resampler and its compiler (numba) to do it.
"""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tagging.types import SAMPLE_RATE_HZ, Sound

EXAMPLE_SAMPLES = 15_600  # 96 windows of 25 ms, 10 ms apart
HOP_SAMPLES = 15_360  # an example starts every 0.96 s
WINDOW_SAMPLES, STEP_SAMPLES, FFT_SAMPLES = 400, 160, 512
WINDOWS, BANDS = 96, 64  # of an example
LOWEST_HZ, HIGHEST_HZ = 125, 7_500
LOG_OFFSET = 0.01  # added to magnitudes, so that silence has a logarithm
_EXAMPLES_AT_ONCE = 64  # a minute: the spectrum of an hour at once takes gigabytes


def log_mel(sound: Sound) -> NDArray[np.float32]:
    """Return (S, 96, 64) natural log-mel examples; S = 0 below 0.975 s. A partial example at the end is dropped."""
    samples = sound.samples
    count = max(0, 1 + (len(samples) - EXAMPLE_SAMPLES) // HOP_SAMPLES)
    pieces = [np.zeros((0, WINDOWS, BANDS), np.float32)]
    for first in range(0, count, _EXAMPLES_AT_ONCE):
        last = min(first + _EXAMPLES_AT_ONCE, count) - 1
        piece = samples[first * HOP_SAMPLES : last * HOP_SAMPLES + EXAMPLE_SAMPLES]
        pieces.append(_log_mel_windows(piece).reshape(-1, WINDOWS, BANDS).astype(np.float32))
    return np.concatenate(pieces)


def _log_mel_windows(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Samples of whole examples -> (windows, 64), 10 ms apart; the windows of a further example are left out."""
    windows = sliding_window_view(samples, WINDOW_SAMPLES)[::STEP_SAMPLES]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi / WINDOW_SAMPLES * np.arange(WINDOW_SAMPLES))  # periodic, unlike np.hanning
    spectrum = np.abs(np.fft.rfft(windows * hann, FFT_SAMPLES))
    mel: NDArray[np.float64] = np.log(np.dot(spectrum, _mel_bands()) + LOG_OFFSET)
    return mel[: len(mel) // WINDOWS * WINDOWS]


@cache
def _mel_bands() -> NDArray[np.float64]:
    """(257, 64) triangular bands, equally wide in mel (HTK's formula)."""
    bins = _mel(np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1))[:, None]
    edges = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    bands: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    bands[0] = 0.0  # HTK leaves out the constant part
    return bands


def _mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 1127.0 * np.log(1.0 + np.asarray(hertz) / 700.0)
    return mel
