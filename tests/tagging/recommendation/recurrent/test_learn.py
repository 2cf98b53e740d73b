"""The dynamic recurrent model finds a planted order, which no mean of what was watched shows."""

from typing import Any

import numpy as np
import pytest

from tagging.config.recommendation import RecurrentConfig
from tagging.errors import NothingToLearnError
from tagging.progress import Silent
from tagging.ragged import Ragged
from tagging.recommendation.measures import recommended
from tagging.recommendation.recommender import VectorRecommender
from tagging.recommendation.recurrent.learn import learn_recurrent
from tagging.recommendation.split import Division, divide
from tests.support.watching import GROUPS, VIDEOS, catalog, group_of, walks

TINY = RecurrentConfig(width=16, history=8, epochs=10, batch=512, negatives=40, rate=0.02, dropout=0.0, topics=GROUPS)


def learn(training: Ragged, **changes: Any) -> VectorRecommender:
    return learn_recurrent(catalog(), training, TINY.model_copy(update=changes), Silent())


def in_right_group(model: VectorRecommender, division: Division) -> float:
    """Return the share of the first recommendations that are of the group that follows the last video."""
    found = recommended(model, division.cases, top=1)[:, 0]
    targets = division.cases.targets
    return float(np.mean([group_of(int(a)) == group_of(int(b)) for a, b in zip(found, targets, strict=True)]))


@pytest.mark.parametrize("changes", [{}, {"semantic": False, "interest": False, "relevance_weight": 0.0}])
def test_the_next_video_is_found_in_order(changes: dict[str, Any]) -> None:
    division = divide(walks(), VIDEOS, "last", "test", 1)
    assert in_right_group(learn(division.training, **changes), division) > 0.9


def test_without_recurrence_the_order_is_lost() -> None:
    division = divide(walks(), VIDEOS, "last", "test", 1)
    static = learn(division.training, memory="static", decay=0.0)
    assert in_right_group(static, division) < in_right_group(learn(division.training), division) - 0.1


def test_any_two_views_are_read_dense_ones_too() -> None:
    division = divide(walks(), VIDEOS, "last", "test", 1)
    model = learn(division.training, views=("text", "tags"))
    assert in_right_group(model, division) > 0.9
    assert model.vectors.any(axis=1).all()  # a fifth has no text


def test_the_seed_decides_the_vectors() -> None:
    first, again, other = (learn(walks(50), epochs=2, dropout=0.1, seed=seed).vectors for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_a_video_without_users_is_known_by_its_views_alone() -> None:
    training = Ragged.of([[video for video in walks(100).at(user) if video < 60] for user in range(100)])
    assert learn(training, epochs=1).vectors.any(axis=1).all()
    known = learn(training, epochs=1, semantic=False).vectors.any(axis=1)
    assert known.tolist() == [video in set(training.values.tolist()) for video in range(VIDEOS)]


def test_a_view_that_no_video_has_is_an_error() -> None:
    with pytest.raises(NothingToLearnError, match=r"none of \d+ videos has the view audio"):
        learn(walks(50), views=("audio", "tags"))


def test_users_with_a_single_video_teach_nothing() -> None:
    with pytest.raises(NothingToLearnError, match="none of 2 users"):
        learn(Ragged.of([[1], [2]]), topics=2, min_tag_videos=1)
