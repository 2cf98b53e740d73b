"""Long and short mode: new users, divided in order; precision, recall and F-score by hand."""

import numpy as np
import pytest

from tagging.ragged import Ragged
from tagging.recommendation.recurrent.modes import divide_users, top_measures


def sequences() -> Ragged:
    generator = np.random.default_rng(1)
    return Ragged.of([generator.permutation(30)[: generator.integers(1, 14)] for _ in range(100)])


def test_a_fifth_of_the_users_is_held_out_whole() -> None:
    videos = sequences()
    able = {user for user in range(100) if len(videos.at(user)) > 1}
    division = divide_users(videos, 30, np.random.default_rng(2))
    users = division.modes["short"].cases.users
    assert set(users.tolist()) < able
    assert len(users) == round(len(able) / 5)
    others = [videos.at(user).tolist() for user in range(100) if user not in set(users.tolist())]
    assert [division.training.at(row).tolist() for row in range(len(division.training))] == others
    again = divide_users(videos, 30, np.random.default_rng(3)).modes["short"].cases.users
    assert users.tolist() != again.tolist()


@pytest.mark.parametrize(("name", "share"), [("short", 0.25), ("long", 0.75)])
def test_what_follows_the_known_part_is_measured(name: str, share: float) -> None:
    videos = sequences()
    mode = divide_users(videos, 30, np.random.default_rng(2)).modes[name]
    for case, user in enumerate(mode.cases.users.tolist()):
        history, after = mode.cases.histories.at(case).tolist(), mode.after.at(case).tolist()
        whole = videos.at(user).tolist()
        assert history + after == whole
        assert after
        assert len(history) == max(1, int(share * len(whole)))
        assert mode.cases.targets[case] == after[0]


def test_both_modes_have_the_same_users() -> None:
    modes = divide_users(sequences(), 30, np.random.default_rng(2)).modes
    assert modes["short"].cases.users.tolist() == modes["long"].cases.users.tolist()


def test_too_few_users_are_an_error() -> None:
    for lists in ([[1, 2]], [[1], [2]]):
        with pytest.raises(ValueError, match="no user can be held out"):
            divide_users(Ragged.of(lists), 3, np.random.default_rng(1))


def test_the_f_score_is_of_the_means() -> None:
    found = np.array([[1, 2, 3, 4, 5], [6, 7, 8, 9, 0], [1, 2, 3, 4, -1]])
    after = Ragged.of([[2, 5, 9, 10], [1], [4, 3]])
    precision, recall = (2 + 0 + 2) / 15, (2 / 4 + 0 + 2 / 2) / 3
    expected = {"P@5": precision, "R@5": recall, "F@5": 2 * precision * recall / (precision + recall)}
    assert top_measures(found, after) == pytest.approx(expected)
    assert top_measures(found[1:2], Ragged.of([[1]])) == {"P@5": 0, "R@5": 0, "F@5": 0}
