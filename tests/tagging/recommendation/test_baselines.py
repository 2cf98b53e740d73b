"""Baselines of recommendation, by plain counts."""

import math

import numpy as np
import pytest

from tagging.ragged import Ragged
from tagging.recommendation.baselines import ItemNeighbours, Popularity, TextProfile

USERS = [[0, 1, 2], [1, 2], [2, 3], [3, 1, 0], [4]]
CATALOG = 6
TRAINING = Ragged.of(USERS)
HISTORIES = [[0, 2], [3], [4, 1, 0]]
CANDIDATES = np.array([1, 3, 4, 5])


def test_popularity_counts_users_for_every_history() -> None:
    scores = Popularity(TRAINING, CATALOG).scores(Ragged.of(HISTORIES), CANDIDATES)
    assert scores.tolist() == [[3, 2, 1, 0]] * 3


def test_neighbours_are_videos_of_the_same_users_weighted_by_recency() -> None:
    watched = [{row for row, user in enumerate(USERS) if video in user} for video in range(CATALOG)]

    def cosine(video: int, other: int) -> float:
        both = len(watched[video] & watched[other])
        return 0.0 if video == other or not both else both / math.sqrt(len(watched[video]) * len(watched[other]))

    expected = [
        [sum(0.7**back * cosine(seen, video) for back, seen in enumerate(reversed(history))) for video in CANDIDATES]
        for history in HISTORIES
    ]
    scores = ItemNeighbours(TRAINING, CATALOG).scores(Ragged.of(HISTORIES), CANDIDATES)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_a_text_profile_prefers_titles_with_words_of_the_last_videos() -> None:
    texts = ["cat purrs", "dog barks", "cat naps", "dog naps", "", "cat barks"]
    scores = TextProfile(texts).scores(Ragged.of([[1, 0], [0, 1], [4]]), np.array([2, 3, 4]))
    assert scores[0, 0] > scores[0, 1] > 0
    assert scores[1, 1] > scores[1, 0] > 0
    assert scores[:, 2].tolist() == [0, 0, 0]
    assert scores[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("texts", [["", ""], ["one", "two"], ["one"]])
def test_texts_without_a_common_word_are_equally_near(texts: list[str]) -> None:
    candidates = np.arange(len(texts))
    scores = TextProfile(texts).scores(Ragged.of([[0]]), candidates)
    assert scores.tolist() == [[0.0] * len(texts)]
