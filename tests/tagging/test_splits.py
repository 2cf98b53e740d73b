import hashlib

import numpy as np
import pytest

from tagging.splits import cross_fit, is_held_out, parts
from tagging.types import VideoRef


def test_an_uploader_is_held_out_with_all_its_videos() -> None:
    for uploader in map(str, range(50)):
        drawn = {is_held_out(VideoRef(str(n), uploader_id=uploader), 0.3, seed=1) for n in range(20)}
        assert len(drawn) == 1


def test_about_the_stated_share_of_uploaders_is_held_out() -> None:
    held = sum(is_held_out(VideoRef("v", uploader_id=str(n)), 0.1, seed=3) for n in range(20_000))
    assert 1800 < held < 2200


def test_the_split_equals_that_of_existing_bundles() -> None:
    held = [n for n in range(40) if is_held_out(VideoRef("v", uploader_id=f"u{n}"), 0.2, seed=7)]
    by_hand = [
        n
        for n in range(40)
        if int(hashlib.blake2b(f"7 uploader u{n}".encode(), digest_size=8).hexdigest(), 16) < 0.2 * 2**64
    ]
    assert held == by_hand
    assert held


def test_another_seed_holds_out_other_uploaders_and_a_share_of_zero_none() -> None:
    videos = [VideoRef(str(n)) for n in range(200)]
    assert [is_held_out(v, 0.5, 1) for v in videos] != [is_held_out(v, 0.5, 2) for v in videos]
    assert not any(is_held_out(v, 0.0, 1) for v in videos)


def test_an_uploader_and_a_video_of_the_same_id_are_drawn_independently() -> None:
    names = [str(n) for n in range(200)]
    by_uploader = [is_held_out(VideoRef("v", uploader_id=n), 0.5, 1) for n in names]
    assert by_uploader != [is_held_out(VideoRef(n), 0.5, 1) for n in names]


@pytest.mark.parametrize("count", [2, 5])
def test_parts_keep_uploaders_together_unless_few_have_most_videos(count: int) -> None:
    groups = np.repeat(np.arange(50), 3)
    part = parts(groups, count, np.random.default_rng(1))
    assert all(len(set(part[groups == group].tolist())) == 1 for group in range(50))
    assert np.bincount(part).tolist() == [150 // count] * count
    single_group = parts(np.zeros(40, np.int64), count, np.random.default_rng(1))
    assert np.bincount(single_group).tolist() == [40 // count] * count


def test_cross_fitting_gives_each_video_a_model_that_was_not_fitted_on_its_group() -> None:
    groups = np.repeat(np.arange(10), 3)
    models = cross_fit(groups, np.random.default_rng(1), lambda rows: set(groups[rows].tolist()))
    assert len(models) == 30
    assert all(group not in model for group, model in zip(groups.tolist(), models, strict=True))
    assert set.union(*models) == set(range(10))
