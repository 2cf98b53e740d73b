"""Split of labelled videos: what the recall model is trained on, what the fusion is fitted on, and the control part."""

from collections.abc import Sequence

import numpy as np
import pytest

from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.root import TrainingConfig
from tagging.errors import NothingToLearnError
from tagging.ragged import Ragged
from tagging.training.video_split import FOLDS, VideoSplit, split_videos


def split(owners: Sequence[str | None], blended: int, least_videos: int = 100) -> VideoSplit:
    ids = tuple(f"v{row}" for row in range(len(owners)))
    labelled = LabelledVideos(ids, ids, tuple(owners), Ragged.of([np.zeros(1, np.int64)] * len(owners)))
    return split_videos(labelled, TrainingConfig(blended=blended, least_videos=least_videos, seed=3))


OWNERS = [f"u{row % 150}" for row in range(1000)]


def test_of_many_videos_one_part_trains_and_another_fits_the_fusion() -> None:
    parts = split(OWNERS, blended=200)
    [fold] = parts.folds
    assert fold.train is parts.learnt
    assert sorted([*fold.train, *fold.held_out, *parts.control]) == list(range(1000))
    assert 150 < len(fold.held_out) < 350


def test_of_few_videos_each_is_held_out_once_and_all_but_the_control_part_are_learnt() -> None:
    parts = split(OWNERS, blended=201)
    assert len(parts.folds) == FOLDS
    assert sorted([*parts.learnt, *parts.control]) == list(range(1000))
    assert sorted(row for fold in parts.folds for row in fold.held_out.tolist()) == parts.learnt.tolist()
    for fold in parts.folds:
        assert not set(fold.train.tolist()) & set(fold.held_out.tolist())
        assert not set(fold.train.tolist()) & set(parts.control.tolist())
        assert len(fold.train) > 0.7 * len(parts.learnt)


@pytest.mark.parametrize("blended", [200, 201])
def test_most_held_out_videos_are_of_uploaders_that_the_model_does_not_know(blended: int) -> None:
    returning = []
    for fold in split(OWNERS, blended).folds:
        known = {OWNERS[row] for row in fold.train.tolist()}
        returning += [OWNERS[row] in known for row in fold.held_out.tolist()]
    assert 0.07 < np.mean(returning) < 0.15


@pytest.mark.parametrize("blended", [200, 201])
def test_without_uploaders_every_video_is_one_of_its_own(blended: int) -> None:
    parts = split([None] * 1000, blended)
    assert sum(len(fold.held_out) for fold in parts.folds) > 150


def test_one_uploader_of_all_videos_is_divided() -> None:
    parts = split(["u"] * 1000, blended=201)
    assert all(len(fold.train) > 0.5 * len(parts.learnt) for fold in parts.folds)


def test_too_few_videos_are_an_error_that_states_both_numbers() -> None:
    with pytest.raises(NothingToLearnError, match=r"\d+ videos to learn from and \d+ to fit the fusion on, needed 900"):
        split(OWNERS, blended=201, least_videos=900)
