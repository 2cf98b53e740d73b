"""Split of labelled videos by uploader: to train recall, to fit the fusion, and to control precision.

All videos of some uploaders are kept from recall's training: its channels propose tags for them as they would for a new
uploader, and the fusion is fitted on that. A few videos of the remaining uploaders are kept as well, half of them with
their uploader known, so that the fusion learns the weight of an uploader's history. Nothing is fitted on the videos
of yet other uploaders: predictions for those are as good as for any new uploader's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.random_streams import HoldoutSalt
from tagging.config.root import TrainingConfig
from tagging.errors import NothingToLearnError
from tagging.splits import is_held_out
from tagging.types import VideoRef

MIN_FUSION_VIDEOS = 50
MAX_FUSION_SHARE = 0.2
MAX_CONTROL_SHARE = 0.1
RETURNING_SHARE = 0.25  # videos of known uploaders for each video of a new one


@dataclass(frozen=True, slots=True, eq=False)
class VideoSplit:
    """Rows of the V labelled videos, each in one of the three sets, rising."""

    train: NDArray[np.int64]
    fusion: NDArray[np.int64]
    control: NDArray[np.int64]


def split_videos(labelled: LabelledVideos, config: TrainingConfig) -> VideoSplit:
    """Split the videos; NothingToLearnError if there are too few to train on or to fit the fusion on."""
    count = len(labelled.ids)
    share = min(MAX_FUSION_SHARE, config.blended / count)
    new = _draw_uploaders(labelled, share, config.seed + HoldoutSalt.FUSION)
    control_share = min(MAX_CONTROL_SHARE, config.promised / count)
    control = ~new & _draw_uploaders(labelled, control_share, config.seed + HoldoutSalt.PRECISION)
    returning = ~new & ~control & _draw_returning(labelled, share * RETURNING_SHARE, config.seed)
    train, fusion = np.flatnonzero(~new & ~control & ~returning), np.flatnonzero(new | returning)
    if len(train) < config.least_videos or len(fusion) < MIN_FUSION_VIDEOS:
        raise NothingToLearnError(
            f"{len(train)} videos to learn from and {len(fusion)} to fit the fusion on, "
            f"needed {config.least_videos} and {MIN_FUSION_VIDEOS}"
        )
    return VideoSplit(train, fusion, np.flatnonzero(control))


def _draw_uploaders(labelled: LabelledVideos, share: float, seed: int) -> NDArray[np.bool_]:
    """Return (V,) True for all videos of some uploaders; each seed gives an independent draw."""
    videos = zip(labelled.ids, labelled.uploader_ids, strict=True)
    return np.array([is_held_out(VideoRef(video_id, uploader_id=owner), share, seed) for video_id, owner in videos])


def _draw_returning(labelled: LabelledVideos, share: float, seed: int) -> NDArray[np.bool_]:
    """Return (V,) True for some of the videos whose uploader has other videos."""
    numbers = labelled.uploader_numbers()
    has_others = np.bincount(numbers)[numbers] > 1
    salted = seed + HoldoutSalt.RETURNING_UPLOADERS
    drawn = [is_held_out(VideoRef(video_id), share, salted) for video_id in labelled.ids]
    return np.asarray(has_others & np.array(drawn))
