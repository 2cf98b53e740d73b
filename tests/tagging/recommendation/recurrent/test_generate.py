"""Step by step, each recommended video is read as the next one."""

import numpy as np

from tagging.ragged import Ragged
from tagging.recommendation.recurrent.generate import appended, step_by_step
from tagging.recommendation.split import Cases
from tagging.types import FloatRows, Indices


class Successors:
    """Scores a video by how soon it comes after the last of the history, around a circle of videos."""

    def __init__(self, videos: int) -> None:
        self._videos = videos

    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        last = histories.values[histories.starts[1:] - 1]
        return (-((candidates[None] - last[:, None] - 1) % self._videos)).astype(np.float32)


def test_every_step_follows_the_one_before_and_skips_what_was_watched() -> None:
    cases = Cases(np.arange(3), Ragged.of([[3], [1, 5, 2], [6]]), np.zeros(3, np.int64), np.arange(8))
    assert step_by_step(Successors(8), cases, 3).tolist() == [[4, 5, 6], [3, 4, 6], [7, 0, 1]]


def test_nothing_is_recommended_twice() -> None:
    cases = Cases(np.arange(2), Ragged.of([[0, 1], [2]]), np.zeros(2, np.int64), np.arange(3))
    assert step_by_step(Successors(3), cases, 3).tolist() == [[2, -1, -1], [0, 1, -1]]


def test_rows_are_appended_to_their_lists() -> None:
    lists = appended(Ragged.of([[1, 2], [], [3], [4]]), np.array([7, 8, -1, 9]))
    assert [lists.at(row).tolist() for row in range(4)] == [[1, 2, 7], [8], [3], [4, 9]]
