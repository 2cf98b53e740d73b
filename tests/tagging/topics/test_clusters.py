import faiss
import numpy as np
import pytest

from tagging.errors import InvalidManifestError
from tagging.topics import clusters as module
from tagging.topics.clusters import fit_centres, nearest_centres, topic_count
from tagging.topics.representation import TopicRows, join, similarities
from tagging.types import FloatRows


def blobs(count: int, seed: int = 0) -> TopicRows:
    """Return videos of three clusters in turn; every fifth lacks its tags, every seventh its content."""
    generator = np.random.default_rng(seed)
    numbers = np.arange(count)
    halves = [
        np.eye(3, dtype=np.float32)[numbers % 3] + 0.05 * generator.standard_normal((count, 3)).astype(np.float32)
        for _ in range(2)
    ]
    halves[0][numbers % 7 == 0] = 0
    halves[1][numbers % 5 == 0] = 0
    return join(halves[0], halves[1], np.zeros(6, np.float32))


def test_the_number_of_topics_is_the_papers_for_its_pool() -> None:
    assert topic_count(3_000_000) == 6000
    assert topic_count(168_519) == 1422
    assert topic_count(100) == 10  # ten videos a topic
    assert topic_count(3) == 1


def test_clusters_are_found_although_videos_lack_halves() -> None:
    rows = blobs(210)
    centres = fit_centres(rows, 3, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1, atol=1e-5)
    nearest, best = nearest_centres(rows, centres)
    for cluster in range(3):
        members = nearest[np.arange(210) % 3 == cluster][rows.known[np.arange(210) % 3 == cluster]]
        assert len(set(members.tolist())) == 1
    np.testing.assert_allclose(best, similarities(rows, centres).max(axis=1))


def test_the_same_generator_gives_the_same_centres() -> None:
    rows = blobs(90)
    first, second = (fit_centres(rows, 3, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_centres_to_start_from_keep_their_place() -> None:
    rows = blobs(90)
    centres = fit_centres(rows, 3, np.random.default_rng(4))
    again = fit_centres(rows, 3, np.random.default_rng(5), centres[[2, 0, 1]])
    np.testing.assert_allclose(again, centres[[2, 0, 1]], atol=1e-3)


def test_a_pool_in_which_no_video_has_both_halves_is_clustered() -> None:
    content, tags = np.eye(4, dtype=np.float32).repeat(5, axis=0), np.eye(4, dtype=np.float32).repeat(5, axis=0)
    content[::2], tags[1::2] = 0, 0
    centres = fit_centres(join(content, tags, np.zeros(8, np.float32)), 4, np.random.default_rng(2))
    assert centres.shape == (4, 8)
    assert np.isfinite(centres).all()


def test_fewer_videos_than_topics_are_one_clear_error() -> None:
    with pytest.raises(InvalidManifestError, match="videos cannot make 50 topics") as error:
        fit_centres(blobs(30), 50, np.random.default_rng(1))
    assert "count" in error.value.hint


def test_centres_of_a_large_pool_are_those_of_a_random_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, looked_at = blobs(3000), []

    class Recorded(faiss.Kmeans):  # type: ignore[misc]
        def train(self, x: FloatRows, init_centroids: FloatRows | None = None) -> float:
            looked_at.append(len(x))
            return float(super().train(x, init_centroids=init_centroids))

    monkeypatch.setattr(faiss, "Kmeans", Recorded)
    of_all = fit_centres(rows, 3, np.random.default_rng(1))
    monkeypatch.setattr(module, "SAMPLED", 50)
    monkeypatch.setattr(module, "LEAST_SAMPLED", 100)
    looked_at.clear()
    monkeypatch.setattr(module, "VIDEOS_AT_ONCE", 1000)
    of_part = fit_centres(rows, 3, np.random.default_rng(1))
    assert max(looked_at) == 3 * 50
    np.testing.assert_allclose((of_part @ of_all.T).max(axis=1), 1, atol=1e-5)  # means of all, not of 50 videos
