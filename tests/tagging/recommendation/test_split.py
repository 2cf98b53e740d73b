"""Division of interactions: expected values come from plain lists."""

import numpy as np
import pytest

from tagging.ragged import TagLists
from tagging.recommendation.split import Division, HeldOut, divide

CATALOG = 40


def sequences(users: int = 60) -> list[list[int]]:
    generator = np.random.default_rng(3)
    return [generator.permutation(CATALOG)[: generator.integers(0, 9)].tolist() for _ in range(users)]


def lists(packed: TagLists) -> list[list[int]]:
    return [packed.at(row).tolist() for row in range(len(packed))]


def cases(division: Division) -> list[tuple[int, list[int], int]]:
    found = division.cases
    return list(zip(found.users.tolist(), lists(found.histories), found.targets.tolist(), strict=True))


def test_the_last_video_is_held_out_and_the_one_before_it_for_validation() -> None:
    users = sequences()
    test = divide(TagLists.of(users), CATALOG, "last", "test", 1)
    assert lists(test.training) == [user[:-1] if len(user) > 1 else user for user in users]
    assert cases(test) == [(row, user[:-1], user[-1]) for row, user in enumerate(users) if len(user) > 1]
    validation = divide(TagLists.of(users), CATALOG, "last", "validation", 1)
    assert cases(validation) == [(row, user[:-2], user[-2]) for row, user in enumerate(users) if len(user) > 2]
    assert lists(validation.training) == [user[:-2] if len(user) > 2 else user[:-1] for user in users]
    assert test.cases.candidates.tolist() == list(range(CATALOG))


@pytest.mark.parametrize("part", ["test", "validation"])
def test_new_videos_are_in_no_history_and_each_view_of_them_is_a_case(part: str) -> None:
    users = sequences()
    division = divide(TagLists.of(users), CATALOG, "new", part, 1)  # type: ignore[arg-type]
    new = set(division.cases.candidates.tolist())
    hidden = set(divide(TagLists.of(users), CATALOG, "new", "test", 1).cases.candidates.tolist())
    visible = users if part == "test" else [[video for video in user if video not in hidden] for user in users]
    expected = [
        (row, [earlier for earlier in user[:position] if earlier not in new], video)
        for row, user in enumerate(visible)
        for position, video in enumerate(user)
        if video in new
    ]
    assert cases(division) == [case for case in expected if case[1]]
    assert lists(division.training) == [[video for video in user if video not in new] for user in visible]
    assert len(new) == CATALOG // 10
    assert part == "test" or not new & hidden


def test_another_seed_draws_other_new_videos() -> None:
    users = TagLists.of(sequences())
    first, second = (divide(users, CATALOG, "new", "test", seed).cases.candidates.tolist() for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize("held_out", ["last", "new"])
def test_sequences_of_one_video_leave_nothing_to_measure(held_out: HeldOut) -> None:
    with pytest.raises(ValueError, match="no user has"):
        divide(TagLists.of([[0], [1], []]), 3, held_out, "test", 1)
