"""Split of labelled videos by uploader: to train recall, to fit the fusion, and to control precision.

The fusion is fitted on videos that the recall model was not trained on: most of them are all videos of some uploaders,
for which the channels propose tags as they would for a new uploader. The others are videos of uploaders whose other
videos the model knows, so that the fusion learns the weight of an uploader's history. Nothing is fitted on the videos
of yet other uploaders, the control part: predictions for those are as good as for any new uploader's.

Of many videos, a fixed number is enough for the fusion (`training.blended`). Where that would be more than a fifth,
each fifth is held out once, from a model of its own, so that the fusion has all of them to learn from; the model of
the bundle is then trained on all (cross-fitting).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.random_streams import HoldoutSalt, Stream
from tagging.config.root import TrainingConfig
from tagging.errors import NothingToLearnError
from tagging.splits import is_held_out, parts
from tagging.types import VideoRef

FOLDS = 5
MIN_FUSION_VIDEOS = 50
MAX_CONTROL_SHARE = 0.1
RETURNING_SHARE = 0.125  # videos of known uploaders for each video of a new one

Rows = NDArray[np.int64]  # of labelled videos, rising


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Videos to train a recall model on, and others to fit the fusion on."""

    train: Rows
    held_out: Rows


@dataclass(frozen=True, slots=True, eq=False)
class VideoSplit:
    learnt: Rows  # what the bundle's recall model is trained on
    folds: tuple[Fold, ...]  # one that trains on `learnt`, or several that hold out each of `learnt` once
    control: Rows


def split_videos(labelled: LabelledVideos, config: TrainingConfig) -> VideoSplit:
    """Split the videos; NothingToLearnError if there are too few to train on or to fit the fusion on."""
    count = len(labelled.ids)
    control_share = min(MAX_CONTROL_SHARE, config.promised / count)
    control = _draw_uploaders(labelled, control_share, config.seed + HoldoutSalt.PRECISION)
    if config.blended * FOLDS > count:
        folds = _folds(labelled, ~control, config.seed)
        learnt = np.flatnonzero(~control)
    else:
        share = config.blended / count
        new = _draw_uploaders(labelled, share, config.seed + HoldoutSalt.FUSION)
        control &= ~new
        returning = ~new & ~control & _draw_returning(labelled, share * RETURNING_SHARE, config.seed)
        learnt = np.flatnonzero(~new & ~control & ~returning)
        folds = (Fold(learnt, np.flatnonzero(new | returning)),)
    least, fitted = min(len(fold.train) for fold in folds), sum(len(fold.held_out) for fold in folds)
    if least < config.least_videos or fitted < MIN_FUSION_VIDEOS:
        raise NothingToLearnError(
            f"{least} videos to learn from and {fitted} to fit the fusion on, "
            f"needed {config.least_videos} and {MIN_FUSION_VIDEOS}"
        )
    return VideoSplit(learnt, folds, np.flatnonzero(control))


def _folds(labelled: LabelledVideos, kept: NDArray[np.bool_], seed: int) -> tuple[Fold, ...]:
    """Return folds that hold out each of the kept videos once, most with all videos of their uploader.

    A returning video is held out in another fold than its uploader, and no model is trained on it in either.
    """
    generator = np.random.default_rng([seed, Stream.RECALL_FOLDS])
    part = parts(labelled.uploader_numbers(), FOLDS, generator)
    returning = _draw_returning(labelled, RETURNING_SHARE / (1 + RETURNING_SHARE), seed)
    elsewhere = (part + generator.integers(1, FOLDS, len(part))) % FOLDS
    held_out = np.where(returning, elsewhere, part)
    return tuple(
        Fold(np.flatnonzero(kept & (part != fold) & (held_out != fold)), np.flatnonzero(kept & (held_out == fold)))
        for fold in range(FOLDS)
    )


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
