"""Which videos are kept out of training, and the parts of the videos for what is fitted several times.

Whole uploaders are held out, never single videos: an uploader repeats its tags on all its videos, and a random
split would measure memory. The draw is a hash, so the bundle's manifest (share and seed) is enough to repeat it.
"""

import hashlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tagging.types import VideoRef

Model = TypeVar("Model")

LARGEST_PART = 1.5  # times the equal share


def is_held_out(video: VideoRef, share: float, seed: int) -> bool:
    """True for a `share` in [0, 1) of the uploaders; a video without uploader counts as one of its own."""
    owner = f"uploader {video.uploader_id}" if video.uploader_id is not None else f"video {video.video_id}"
    digest = hashlib.blake2b(f"{seed} {owner}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def parts(groups: NDArray[np.int64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(V,) the part of each video, 0 to count - 1, drawn for each group.

    It is drawn for each video where whole groups would make one part larger than LARGEST_PART.
    groups: (V,) equal for videos of one uploader
    """
    _, number = np.unique(groups, return_inverse=True)
    part = generator.permutation(number.max() + 1)[number] % count
    if np.bincount(part).max() > LARGEST_PART * len(part) / count:  # most videos are of a few uploaders
        part = generator.permutation(len(groups)) % count
    return np.asarray(part)


def cross_fit(
    groups: NDArray[np.int64], generator: np.random.Generator, fit: Callable[[NDArray[np.int64]], Model]
) -> list[Model]:
    """Fit one model on each half of the videos; return for each video the model that was not fitted on it.

    A model is overconfident on the videos it was fitted on, so a later stage learns from these predictions instead.

    groups: (V,) equal for videos of one uploader
    fit:    (n,) rows of videos -> a model fitted on them
    """
    half = parts(groups, 2, generator)
    models = [fit(np.flatnonzero(half != side)) for side in (0, 1)]
    return [models[side] for side in half.tolist()]
