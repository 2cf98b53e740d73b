import math

import numpy as np
import pytest
from numpy.typing import NDArray

from recall.neighbours.vote import TEMPERATURE, nearest_without, vote
from tagging.ragged import Ragged
from tagging.types import Neighbours
from tests.support.topics import lists, voters


def plain_vote(
    rows: NDArray[np.int64], similarities: NDArray[np.float32], tags: Ragged, uploaders: NDArray[np.int64]
) -> dict[int, float]:
    """Vote by the definition, one neighbour at a time."""
    nearest = float(similarities[0])
    best: dict[tuple[int, int], float] = {}
    possible: dict[int, float] = {}
    for row, similarity in zip(rows, similarities, strict=True):
        weight = math.exp((float(similarity) - nearest) / TEMPERATURE)
        uploader = int(uploaders[row])
        possible[uploader] = max(possible.get(uploader, 0.0), weight)
        for tag in tags.at(int(row)):
            best[int(tag), uploader] = max(best.get((int(tag), uploader), 0.0), weight)
    scores: dict[int, float] = {}
    for (tag, _), weight in best.items():
        scores[tag] = scores.get(tag, 0.0) + weight
    return {tag: score / sum(possible.values()) * nearest for tag, score in scores.items()}


def test_votes_equal_the_direct_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        videos = int(rng.integers(1, 40))
        tags = lists([rng.choice(30, size=rng.integers(0, 8), replace=False).tolist() for _ in range(videos)])
        uploaders = rng.integers(0, 10, videos)
        rows = rng.permutation(videos)[: rng.integers(1, videos + 1)]
        similarities = np.sort(rng.uniform(0.05, 1, len(rows)).astype(np.float32))[::-1]
        got_rows, got_scores = vote(Neighbours(rows, similarities), voters(tags, uploaders.tolist()), limit=100)
        want = plain_vote(rows, similarities, tags, uploaders)
        assert dict(zip(got_rows.tolist(), got_scores.tolist(), strict=True)) == pytest.approx(want, rel=1e-5)
        assert (np.diff(got_scores) <= 0).all()


def test_a_cosine_lower_by_a_tenth_divides_the_weight_by_e() -> None:
    rows, scores = vote(
        Neighbours(np.array([0, 1]), np.array([1.0, 0.9], np.float32)), voters(lists([[5], [6]]), [0, 1]), 10
    )
    assert rows.tolist() == [5, 6]
    assert scores[0] / scores[1] == pytest.approx(math.e, rel=1e-4)


def test_an_uploader_with_many_videos_has_one_vote() -> None:
    tags = lists([[0]] * 5 + [[1], [1]])
    neighbours = Neighbours(np.arange(7), np.full(7, 0.8, np.float32))
    rows, scores = vote(neighbours, voters(tags, [9, 9, 9, 9, 9, 1, 2]), limit=10)
    assert rows.tolist() == [1, 0]
    assert scores.tolist() == pytest.approx([0.8 * 2 / 3, 0.8 / 3])


def test_distant_neighbours_give_low_scores() -> None:
    rows, scores = vote(Neighbours(np.array([0]), np.array([0.2], np.float32)), voters(lists([[5]]), [0]), 10)
    assert (rows.tolist(), scores.tolist()) == ([5], pytest.approx([0.2]))


@pytest.mark.parametrize(("tags_of", "similarities"), [([[1]], [-0.3]), ([[1]], [0.0]), ([[]], [0.9]), ([[1]], [])])
def test_no_neighbours_or_no_tags_gives_no_votes(tags_of: list[list[int]], similarities: list[float]) -> None:
    neighbours = Neighbours(np.arange(len(similarities)), np.array(similarities, np.float32))
    rows, scores = vote(neighbours, voters(lists(tags_of), range(len(tags_of))), limit=10)
    assert (len(rows), len(scores)) == (0, 0)


def test_the_limit_keeps_the_best_and_equal_scores_are_ordered_by_row() -> None:
    tags = lists([[7, 3, 5]])
    rows, _ = vote(Neighbours(np.array([0]), np.array([1.0], np.float32)), voters(tags, [0]), limit=2)
    assert rows.tolist() == [3, 5]


@pytest.mark.parametrize("left_out", [frozenset(), frozenset({7}), frozenset({9, 3}), frozenset({1, 3, 5, 7, 9})])
def test_videos_that_are_left_out_make_room_for_the_next_nearest(left_out: frozenset[int]) -> None:
    near = Neighbours(np.array([9, 7, 5, 3, 1]), np.array([0.9, 0.7, 0.5, 0.3, 0.1], np.float32))
    found = nearest_without(near, left_out, 3)
    assert found.video_rows.tolist() == [row for row in (9, 7, 5, 3, 1) if row not in left_out][:3]
    np.testing.assert_allclose(found.similarities, found.video_rows / 10)
