"""Downmix to mono: the weights of ITU-R BS.775, and the loudest channel where the mix cancels out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Lo = L + C / sqrt(2) + Ls / sqrt(2), Ro likewise (ITU-R BS.775-4, table 2), and mono is their mean; no bass channel.
_HALF_POWER = 2**-0.5
WEIGHTS = {
    "FL": 0.5, "FR": 0.5, "FC": _HALF_POWER, "LFE": 0.0, "LFE2": 0.0,
    "BL": _HALF_POWER / 2, "BR": _HALF_POWER / 2, "SL": _HALF_POWER / 2, "SR": _HALF_POWER / 2, "BC": _HALF_POWER / 2,
}  # fmt: skip
CANCELLED = 0.1  # of the loudest channel's energy; a mix with less lost what is to be heard


def channel_weights(names: Sequence[str]) -> NDArray[np.float32]:
    """Return the weight (C,) of each channel by its name in ffmpeg, of sum 1; equal weights if one is not known."""
    weights = np.array([WEIGHTS.get(name, np.nan) for name in names], np.float32)
    if np.isnan(weights).any() or not weights.sum():
        weights = np.ones(len(names), np.float32)
    return np.asarray(weights / weights.sum(), np.float32)


def mix_down(samples: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, C) -> (n,): the weighted sum, or the loudest channel if the sum keeps less than CANCELLED of its energy.

    In opposite phase two channels cancel; a voice in the centre alone of 5.1 would be 11 dB softer.
    """
    mono = samples @ weights
    energies = np.square(samples, dtype=np.float64).sum(axis=0)
    loudest = int((energies * (weights > 0)).argmax())
    if np.square(mono, dtype=np.float64).sum() < CANCELLED * energies[loudest]:
        return np.ascontiguousarray(samples[:, loudest])
    return mono
