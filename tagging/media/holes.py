"""Detection of holes: stretches of a file whose packets are lost, as distinct from still pictures.

A variable frame rate leaves long distances between pictures, and that is healthy. Lost bytes take picture and sound
together; without sound, only a track of otherwise regular pictures can be judged.
"""

import numpy as np
from numpy.typing import NDArray

HOLE_S = 1.0  # the shortest hole that is reported
TIMES_USUAL = 5  # in multiples of the distance that 95 % of the packets keep
SOUND_FLOWS = 0.5  # share of the usual sound packets in a stretch; above it nothing was lost
REGULAR_PACKETS = 50  # fewer are not enough to judge regularity
REGULAR_TIMES = 1.5  # the median distance: within it a distance is regular
REGULAR_SHARE = 0.98  # of the distances


def picture_holes(
    starts_s: NDArray[np.float64],
    durations_s: NDArray[np.float64],
    may_resume: NDArray[np.bool_],
    sound_starts_s: NDArray[np.float64],
) -> list[tuple[float, float]]:
    """Find the holes in the pictures: (start, end), each the time of a picture.

    starts_s:       (n,) time of each picture, ascending
    durations_s:    (n,) duration that each packet states; 0: none
    may_resume:     (n,) True: reading may resume here after lost bytes
    sound_starts_s: (m,) on the same clock, ascending; m may be 0
    """
    if len(starts_s) < 3:
        return []
    distances_s = np.diff(starts_s)
    usual_s = float(np.quantile(distances_s, 0.95, method="lower"))
    long = np.flatnonzero(distances_s >= max(HOLE_S, TIMES_USUAL * usual_s))
    alone = _is_steady(distances_s, durations_s)
    holes = []
    for i in long.tolist():
        start_s, end_s = float(starts_s[i]), float(starts_s[i + 1])
        if len(sound_starts_s) > 1 and sound_starts_s[0] < end_s and start_s < sound_starts_s[-1]:
            lost = not _flows(sound_starts_s, start_s, end_s)
        else:
            lost = alone and bool(may_resume[i + 1])
        if lost:
            holes.append((start_s, end_s))
    return holes


def _flows(sound_starts_s: NDArray[np.float64], start_s: float, end_s: float) -> bool:
    heard = int(np.count_nonzero((start_s < sound_starts_s) & (sound_starts_s < end_s)))
    packet_s = float(np.median(np.diff(sound_starts_s)))
    # A few long packets, as of raw samples, may cover the whole stretch.
    return packet_s * TIMES_USUAL >= end_s - start_s or heard * packet_s >= SOUND_FLOWS * (end_s - start_s)


def _is_steady(distances_s: NDArray[np.float64], durations_s: NDArray[np.float64]) -> bool:
    """True: the pictures are so regular that a long distance means a loss."""
    if durations_s.max() >= HOLE_S:
        # MP4 states that the picture is held (between decoding times, so perhaps on an adjacent packet).
        return False
    regular = int(np.count_nonzero(distances_s <= REGULAR_TIMES * np.median(distances_s)))
    return len(durations_s) >= REGULAR_PACKETS and regular >= REGULAR_SHARE * len(distances_s)
