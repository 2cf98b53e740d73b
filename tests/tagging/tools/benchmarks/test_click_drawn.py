"""Impressions drawn from sequences."""

import numpy as np
import pytest

from tagging.errors import InvalidManifestError
from tagging.ragged import Ragged
from tagging.recommendation.clicks.table import VIDEO
from tagging.recommendation.interactions import Interactions
from tagging.tools.benchmarks.click_drawn import LEAST_VIDEOS, drawn_impressions

VIDEOS = 60


def interactions(*sequences: list[int]) -> Interactions:
    return Interactions(tuple(f"u{n}" for n in range(len(sequences))), Ragged.of(sequences))


def test_each_view_is_a_click_next_to_a_video_that_its_user_never_watched_at_the_same_time() -> None:
    watched = [list(range(12)), list(range(5, 35)), [40, 41]]  # the last user is too short
    table = drawn_impressions(interactions(*watched), VIDEOS, seed=3)
    users, videos = table.users, table.fields[VIDEO].rows.values
    assert len(table) == 2 * (12 + 30)
    for user in (0, 1):
        clicks = videos[(users == user) & table.clicked]
        others = videos[(users == user) & ~table.clicked]
        assert clicks.tolist() == watched[user]
        assert not set(others.tolist()) & set(watched[user])
        assert len(others) == len(clicks)
        for clicked in (True, False):
            times = table.times[(users == user) & (table.clicked == clicked)]
            np.testing.assert_allclose(times, np.arange(1, len(clicks) + 1) / len(clicks))


def test_in_each_part_a_video_is_about_as_often_clicked_as_not() -> None:
    generator = np.random.default_rng(8)
    half = VIDEOS // 2  # of the videos are watched first, the others later
    watched = [[*generator.permutation(half)[:10], *(half + generator.permutation(half)[:10])] for _ in range(600)]
    table = drawn_impressions(interactions(*watched), VIDEOS, seed=1)
    videos = table.fields[VIDEO].rows.values
    for part in (table.times <= 0.5, table.times > 0.5):
        clicks, others = (
            np.bincount(videos[part & (table.clicked == clicked)], minlength=VIDEOS) for clicked in (True, False)
        )
        shown = clicks > 0
        assert shown.sum() == half
        assert others[~shown].sum() < 0.1 * len(videos[part])  # of the border of the parts, and by users who saw many
        np.testing.assert_allclose(others[shown], clicks[shown], rtol=0.4)


def test_draws_follow_the_seed() -> None:
    watched = interactions(list(range(20)), list(range(10, 50)))
    drawn = [drawn_impressions(watched, VIDEOS, seed).fields[VIDEO].rows.values.tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("sequence", "message"), [(list(range(LEAST_VIDEOS - 1)), "no user has"), (list(range(20)), "watched all videos")]
)
def test_users_that_nothing_can_be_drawn_for_are_refused(sequence: list[int], message: str) -> None:
    with pytest.raises(InvalidManifestError, match=message):
        drawn_impressions(interactions(sequence), VIDEOS, seed=1)
