"""Division of interactions: expected values come from plain lists."""

import numpy as np
import pytest

from tagging.errors import NothingToLearnError
from tagging.ragged import Ragged
from tagging.recommendation import split
from tagging.recommendation.split import Division, HeldOut, divide

CATALOG = 40


def sequences(users: int = 60) -> list[list[int]]:
    generator = np.random.default_rng(3)
    return [generator.permutation(CATALOG)[: generator.integers(0, 9)].tolist() for _ in range(users)]


def lists(packed: Ragged) -> list[list[int]]:
    return [packed.at(row).tolist() for row in range(len(packed))]


def cases(division: Division) -> list[tuple[int, list[int], int]]:
    found = division.cases
    return list(zip(found.users.tolist(), lists(found.histories), found.targets.tolist(), strict=True))


def test_the_last_video_of_some_users_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "MOST_CASES", 20)
    users = sequences()
    test = divide(Ragged.of(users), CATALOG, "last", "test", 1)
    measured = test.cases.users.tolist()
    assert len(measured) == len(set(measured)) == 20
    assert lists(test.training) == [user[:-1] if row in measured else user for row, user in enumerate(users)]
    assert cases(test) == [(row, users[row][:-1], users[row][-1]) for row in measured]
    assert test.cases.candidates.tolist() == list(range(CATALOG))


def test_a_user_with_a_single_video_is_no_case() -> None:
    division = divide(Ragged.of([[1], [2, 3], []]), CATALOG, "last", "test", 1)
    assert cases(division) == [(1, [2], 3)]
    assert lists(division.training) == [[1], [2], []]


def test_new_videos_are_in_no_history_and_each_view_of_them_is_a_case() -> None:
    users = sequences()
    division = divide(Ragged.of(users), CATALOG, "new", "test", 1)
    new = set(division.cases.candidates.tolist())
    expected = [
        (row, [earlier for earlier in user[:position] if earlier not in new], video)
        for row, user in enumerate(users)
        for position, video in enumerate(user)
        if video in new
    ]
    assert cases(division) == [case for case in expected if case[1]]
    assert lists(division.training) == [[video for video in user if video not in new] for user in users]
    assert len(new) == CATALOG // 10


@pytest.mark.parametrize("held_out", ["last", "new"])
def test_validation_divides_what_the_test_part_learns_from(held_out: HeldOut) -> None:
    users = Ragged.of(sequences())
    test = divide(users, CATALOG, held_out, "test", 1)
    validation = divide(users, CATALOG, held_out, "validation", 1)
    for row in range(len(users)):
        visible = test.training.at(row).tolist()
        held = [target for user, _, target in cases(validation) if user == row]
        assert set(held) <= set(visible)
        assert set(validation.training.at(row).tolist()) <= set(visible) - set(held)
    if held_out == "new":
        assert not set(validation.cases.candidates.tolist()) & set(test.cases.candidates.tolist())


def test_another_seed_draws_other_new_videos() -> None:
    users = Ragged.of(sequences())
    first, second = (divide(users, CATALOG, "new", "test", seed).cases.candidates.tolist() for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize("held_out", ["last", "new"])
def test_sequences_of_one_video_leave_nothing_to_measure(held_out: HeldOut) -> None:
    with pytest.raises(NothingToLearnError, match="no user has"):
        divide(Ragged.of([[0], [1], []]), 3, held_out, "test", 1)
