"""New uploads in memory, against brute force."""

from datetime import datetime, timedelta

import numpy as np

from tagging.recommendation.service.uploads import Uploads
from tagging.store.database.video_vectors import VectorPage
from tagging.types import FloatRows
from tests.support.clocks import NOW

WIDTH = 6


def unit(rows: int, seed: int) -> FloatRows:
    values = np.random.default_rng(seed).standard_normal((rows, WIDTH))
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def page(video_ids: list[str], vectors: FloatRows, at: datetime = NOW) -> VectorPage:
    return VectorPage(tuple(video_ids), vectors, (at,) * len(video_ids), 1)


def nearest(uploads: Uploads, user: FloatRows, most: int = 100, since: datetime = NOW) -> list[str]:
    return [found.video_id for found in uploads.now.nearest(user, since, [], most)]


def test_the_nearest_are_those_of_brute_force() -> None:
    generator = np.random.default_rng(1)
    for case in range(30):
        count, most = int(generator.integers(1, 60)), int(generator.integers(1, 60))
        vectors, [user] = unit(count, case), unit(1, 100 + case)
        times = [NOW + timedelta(days=int(days)) for days in generator.integers(-2, 3, count)]
        uploads = Uploads(WIDTH)
        for start in range(0, count, 7):
            end = min(start + 7, count)
            ids = tuple(f"v{n}" for n in range(start, end))
            uploads.put(VectorPage(ids, vectors[start:end], tuple(times[start:end]), end))
        left_out = generator.permutation(count)[: count // 3].tolist()
        found = uploads.now.nearest(user, NOW, left_out, most)

        candidates = [n for n in range(count) if times[n] >= NOW and n not in left_out]
        best = sorted(candidates, key=lambda n: -float(user @ vectors[n]))[:most]
        assert [video.video_id for video in found] == [f"v{n}" for n in best]
        np.testing.assert_allclose([video.score for video in found], vectors[best] @ user, atol=1e-6)


def test_a_replaced_vector_counts_no_more() -> None:
    vectors, uploads = unit(3, 1), Uploads(WIDTH)
    uploads.put(page(["a", "b"], vectors[:2]))
    uploads.put(page(["a"], vectors[2:]))
    found = {video.video_id: video.score for video in uploads.now.nearest(vectors[2], NOW, [], 9)}
    assert len(found) == len(uploads) == 2
    assert found["a"] > 0.999
    row = uploads.row_of("a")
    assert row is not None
    np.testing.assert_array_equal(uploads.now.vectors[row], vectors[2])


def test_of_equal_videos_the_latest_are_first() -> None:
    uploads = Uploads(WIDTH)
    uploads.put(page(["a", "b", "c", "d"], np.repeat(unit(1, 1), 4, axis=0)))
    assert nearest(uploads, unit(1, 1)[0], 3) == ["d", "c", "b"]


def test_equal_videos_have_equal_scores_wherever_they_are() -> None:
    vectors = np.random.default_rng(1).standard_normal((2, 64)).astype(np.float32)
    uploads = Uploads(64)
    uploads.put(page([f"v{n}" for n in range(1001)], np.repeat(vectors[:1], 1001, axis=0)))
    assert len({video.score for video in uploads.now.nearest(vectors[1], NOW, [], 1001)}) == 1


def test_a_video_of_which_nothing_is_known_is_left_out_also_when_it_was_known_before() -> None:
    vectors, uploads = unit(2, 1), Uploads(WIDTH)
    uploads.put(page(["a", "bare"], np.stack([vectors[0], np.zeros(WIDTH, np.float32)])))
    assert nearest(uploads, vectors[0]) == ["a"]
    assert uploads.row_of("bare") is None
    uploads.put(page(["a"], np.zeros((1, WIDTH), np.float32)))
    assert nearest(uploads, vectors[0]) == []
    assert len(uploads) == 0


def test_a_search_sees_one_moment() -> None:
    vectors, uploads = unit(4, 1), Uploads(WIDTH)
    uploads.put(page(["a", "b"], vectors[:2]))
    before = uploads.now
    uploads.put(page(["a", "c"], vectors[2:]))
    assert {video.video_id for video in before.nearest(vectors[0], NOW, [], 9)} == {"a", "b"}
    assert before.nearest(vectors[0], NOW, [], 1)[0].score > 0.999
    uploads.forget(NOW + timedelta(days=1))
    assert {video.video_id for video in before.nearest(vectors[0], NOW, [], 9)} == {"a", "b"}


def test_old_videos_and_replaced_vectors_are_forgotten() -> None:
    vectors, uploads = unit(6, 1), Uploads(WIDTH)
    uploads.put(page(["old", "a", "b"], vectors[:3], NOW - timedelta(days=2)))
    uploads.put(page(["a", "c"], vectors[3:5]))
    uploads.forget(NOW - timedelta(days=1))
    assert len(uploads.now.vectors) == len(uploads) == 2
    assert uploads.row_of("old") is uploads.row_of("b") is None
    uploads.put(page(["c", "d"], vectors[4:6]))
    for video_id, vector in (("a", vectors[3]), ("c", vectors[4]), ("d", vectors[5])):
        row = uploads.row_of(video_id)
        assert row is not None
        np.testing.assert_array_equal(uploads.now.vectors[row], vector)
        assert nearest(uploads, vector, 1) == [video_id]
