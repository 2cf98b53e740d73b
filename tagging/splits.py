"""Which videos are kept out of training, and how what is fitted twice is halved.

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

LEAST_HALF = 0.25  # of the videos


def is_held_out(video: VideoRef, share: float, seed: int) -> bool:
    """True for a `share` in [0, 1) of the uploaders; a video without uploader counts as one of its own."""
    owner = f"uploader {video.uploader_id}" if video.uploader_id is not None else f"video {video.video_id}"
    digest = hashlib.blake2b(f"{seed} {owner}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def halves(groups: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """(V,) 0 or 1, drawn for each group; for each video where groups would leave one half less than LEAST_HALF.

    groups: (V,) equal for videos of one uploader
    """
    _, number = np.unique(groups, return_inverse=True)
    half = generator.permutation(number.max() + 1)[number] % 2
    if not LEAST_HALF <= half.mean() <= 1 - LEAST_HALF:  # most videos are of one uploader, who cannot be halved
        half = generator.permutation(len(groups)) % 2
    return np.asarray(half)


def cross_fit(
    groups: NDArray[np.int64], generator: np.random.Generator, fit: Callable[[NDArray[np.int64]], Model]
) -> list[Model]:
    """Fit one model on each half of the videos; return for each video the model that was not fitted on it.

    A model is overconfident on the videos it was fitted on, so a later stage learns from these predictions instead.

    groups: (V,) equal for videos of one uploader
    fit:    (n,) rows of videos -> a model fitted on them
    """
    half = halves(groups, generator)
    models = [fit(np.flatnonzero(half != side)) for side in (0, 1)]
    return [models[side] for side in half.tolist()]
