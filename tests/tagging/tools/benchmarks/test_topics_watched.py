from itertools import product

import numpy as np
import pytest

from tagging.progress import Silent
from tagging.ragged import Ragged
from tagging.tools.benchmarks.topics_watched import Watched, lift, watched_benchmark
from tests.support.topic_pools import TINY, pool_of


def test_pairs_are_the_neighbours_in_the_history_of_one_user() -> None:
    watched = Watched.of(Ragged.of([[3, 1, 4], [], [1], [5, 9]]))
    assert list(zip(watched.before.tolist(), watched.after.tolist(), strict=True)) == [(3, 1), (1, 4), (5, 9)]


def test_the_lift_is_the_rate_over_that_of_independent_pairs() -> None:
    topics = np.array([0, 0, 1, 1, -1])
    watched = Watched(np.array([0, 1, 2, 2, 4, 0]), np.array([1, 0, 3, 0, 0, 4]))
    pairs = [(0, 1), (1, 0), (2, 3), (2, 0)]  # those of videos with a topic
    rate = np.mean([topics[a] == topics[b] for a, b in pairs])
    chance = np.mean([topics[a] == topics[b] for (a, _), (_, b) in product(pairs, pairs)])
    assert lift(topics, watched) == pytest.approx(rate / chance)
    assert np.isnan(lift(np.full(5, -1), watched))


def test_users_who_watch_one_subject_find_its_topic() -> None:
    pool = pool_of(200, seed=1)
    histories = [[row for row in range(200) if row % 4 == subject and row % 5] for subject in range(4)]
    [(_, rows)] = watched_benchmark(pool, Watched.of(Ragged.of(histories)), [1, 2], TINY, Silent()).items()
    assert [row["topics by"] for row in rows] == ["tags that say something", "every tag"]
    assert all(float(row["all pairs"].split()[0]) > 2 for row in rows)
    assert rows[1]["tags left out"] == "0.0000 ± 0.0000"
