"""Jumps of a file's clock: stray timestamps and restarts, which would stretch a short film over hours.

A long gap may also be a picture that is held; then sound goes through it, or it lies within an ordinary length.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

JUMP_S = 60.0  # the shortest gap that may be a jump
JUMP_SHARE = 0.5  # of the whole span; a shorter gap does not change much
STRAY_SHARE = 0.05  # of the packets; so few on one side of a jump are strays
SURE_S = 3600.0  # without sound, a gap between two long parts counts as a jump from here


@dataclass(frozen=True, slots=True, eq=False)
class MendedTimes:
    """Times without jumps."""

    kept: NDArray[np.bool_]  # (n,) False for strays
    shift_s: NDArray[np.float64]  # (n,) to subtract from each time
    strays: int
    jumps_s: float  # length of the jumps that were removed


def mend_times(
    starts_s: NDArray[np.float64], sound_s: NDArray[np.float64] | None = None, *, may_drop: bool = True
) -> MendedTimes:
    """Find stray times and jumps; a packet's time is mended by subtracting its shift.

    starts_s: (n,) ascending
    sound_s:  (m,) times of the sound's packets on the same clock, ascending; None if there is no sound to ask
    may_drop: False to shift strays like all else after a jump
    """
    kept = np.ones(len(starts_s), np.bool_)
    shift_s = np.zeros(len(starts_s))
    jumps_s = 0.0
    while np.count_nonzero(kept) > 2:
        rows = np.flatnonzero(kept)
        times = starts_s[rows] - shift_s[rows]
        gaps = np.diff(times)
        cut = int(gaps.argmax())
        gap, span = float(gaps[cut]), float(times[-1] - times[0])
        if gap < JUMP_S or gap < JUMP_SHARE * span or _is_heard(sound_s, starts_s[rows[cut]], starts_s[rows[cut + 1]]):
            break
        before, after = rows[: cut + 1], rows[cut + 1 :]
        fewer = min(before, after, key=len)
        if may_drop and len(fewer) <= max(1, STRAY_SHARE * len(rows)):
            kept[fewer] = False
        elif gap >= SURE_S or sound_s is not None:
            removed = gap - float(np.median(gaps))
            shift_s[after] += removed
            jumps_s += removed
        else:
            break
    return MendedTimes(kept, shift_s, int(np.count_nonzero(~kept)), jumps_s)


def mend_end(starts_s: NDArray[np.float64], last_s: float, sound_s: NDArray[np.float64] | None = None) -> float | None:
    """Return a usual duration for the last picture if the stated one is a jump, else None.

    starts_s: (n,) mended times, ascending
    last_s:   its duration as the file states it
    sound_s:  as for mend_times
    """
    if len(starts_s) <= 2 or last_s < JUMP_S or last_s < JUMP_SHARE * (starts_s[-1] - starts_s[0] + last_s):
        return None
    if _is_heard(sound_s, float(starts_s[-1]), float(starts_s[-1]) + last_s):
        return None
    return float(np.median(np.diff(starts_s)))


def _is_heard(sound_s: NDArray[np.float64] | None, start_s: float, end_s: float) -> bool:
    """Return True if sound is spread over the gap."""
    if sound_s is None or not len(sound_s):
        return False
    middle = np.linspace(start_s, end_s, 6)[1:-1]
    near = np.abs(sound_s[np.searchsorted(sound_s, middle).clip(0, len(sound_s) - 1)] - middle)
    return bool((near < (end_s - start_s) / 10).all())
