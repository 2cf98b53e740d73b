"""Kernel ridge regression: the kernel, the solution, the choice of the penalty, and the channel."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from recall.channels.regression import Regression
from recall.model import Views
from recall.neighbours.space import NeighbourSpace
from recall.ngrams import NgramRow
from recall.query import RecallQuery
from recall.regression import FILE, KernelRidge, Landmarks, fit_kernel_ridge
from tagging.config.recall import RegressionConfig
from tagging.ragged import Ragged
from tagging.types import FloatRows, VideoEmbeddings
from tests.support.embeddings import unit
from tests.support.topics import lists

TOPICS, DIM, NGRAMS = 3, 8, 12


def drawn(count: int, seed: int, noise: float = 0.3) -> tuple[Views, list[int]]:
    """Return videos with n-grams and frames around one of three topics, and the topics."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(0, TOPICS, count)
    frames = unit(np.eye(TOPICS, DIM)[topics] + noise * rng.normal(size=(count, DIM)))
    ngrams = unit(np.eye(TOPICS, NGRAMS)[topics] + noise * np.abs(rng.normal(size=(count, NGRAMS))))
    return views(ngrams, frames), topics.tolist()


def views(ngrams: FloatRows, frames: FloatRows) -> Views:
    return Views.of(sparse.csr_matrix(ngrams), {"frames": frames})


def fitted(videos: Views, topics: list[int], config: RegressionConfig, seed: int = 1) -> KernelRidge:
    tags, uploaders = lists([[topic] for topic in topics]), np.arange(len(videos))
    return fit_kernel_ridge(videos, tags, uploaders, np.arange(TOPICS), config, np.random.default_rng(seed))


def test_the_kernel_is_the_mean_over_views_and_a_missing_view_adds_nothing() -> None:
    frames = np.array([[0.6, 0.8], [0.0, 0.0]], np.float32)
    ngrams = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)
    space = NeighbourSpace.unmoved(2)
    landmarks = Landmarks({"frames": space}, {"frames": frames}, sparse.csr_matrix(ngrams.T))
    query = views(np.array([[0.8, 0.6]], np.float32), np.array([[1.0, 0.0]], np.float32))
    frames_alone = np.exp((0.6 - 1) / 0.5)
    np.testing.assert_allclose(landmarks.kernel(query), [[(0.8 + frames_alone) / 2, 0.96 / 2]], rtol=1e-6)
    silent = views(np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32))
    np.testing.assert_array_equal(landmarks.kernel(silent), 0)


def test_dense_rows_are_compared_without_their_mean() -> None:
    videos, _ = drawn(2_000, seed=1)
    shifted = views(videos.ngrams.toarray(), unit(videos.dense["frames"] + 5))
    rows = np.arange(2_000)
    [centred] = Landmarks.of(shifted, rows).dense.values()
    cosines, before = centred @ centred.T, shifted.dense["frames"] @ shifted.dense["frames"].T
    assert before.mean() > 0.9
    assert abs(cosines.mean()) < 0.2


def test_with_all_videos_as_landmarks_it_is_kernel_ridge_regression_in_closed_form() -> None:
    videos, topics = drawn(60, seed=2)
    ridge = fitted(videos, topics, RegressionConfig(penalties=(0.5,)))
    kernel = Landmarks.of(videos, np.arange(60)).kernel(videos).astype(np.float64)
    expected = np.linalg.solve(kernel + 0.5 * np.eye(60), np.eye(TOPICS)[topics])
    np.testing.assert_allclose(ridge.scores(videos), kernel @ expected, atol=1e-3)


def test_videos_of_a_frequent_uploader_weigh_less() -> None:
    videos, topics = drawn(60, seed=2)
    uploaders = np.where(np.arange(60) < 50, 0, np.arange(60))
    ridge = fit_kernel_ridge(
        videos,
        lists([[topic] for topic in topics]),
        uploaders,
        np.arange(TOPICS),
        RegressionConfig(penalties=(0.5,)),
        np.random.default_rng(1),
    )
    weights = 1 / np.sqrt(np.where(uploaders == 0, 50, 1))
    weights /= weights.mean()
    kernel = Landmarks.of(videos, np.arange(60)).kernel(videos).astype(np.float64)
    expected = np.linalg.solve(weights[:, None] * kernel + 0.5 * np.eye(60), weights[:, None] * np.eye(TOPICS)[topics])
    np.testing.assert_allclose(ridge.scores(videos), kernel @ expected, atol=1e-3)


def test_few_landmarks_find_the_topics_of_unseen_videos() -> None:
    videos, topics = drawn(300, seed=3)
    ridge = fitted(videos, topics, RegressionConfig(landmarks=20))
    assert ridge.weights.shape == (20, TOPICS)
    fresh, true = drawn(100, seed=4)
    assert (ridge.scores(fresh).argmax(axis=1) == true).mean() > 0.95


def test_equal_seeds_draw_equal_landmarks() -> None:
    videos, topics = drawn(300, seed=3)
    config = RegressionConfig(landmarks=20)
    first, again, other = (fitted(videos, topics, config, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.weights, again.weights)
    assert not np.array_equal(first.weights, other.weights)


def test_the_penalty_is_the_one_that_finds_most_tags_of_left_out_uploaders() -> None:
    videos, topics = drawn(200, seed=5, noise=1.0)
    rng = np.random.default_rng(6)
    many = 40  # tags, of which 37 are noise that a small penalty learns by heart
    tags = lists([[topic, int(rng.integers(TOPICS, many))] for topic in topics])

    def fit(*penalties: float) -> FloatRows:
        config, generator = RegressionConfig(penalties=penalties), np.random.default_rng(1)
        return fit_kernel_ridge(videos, tags, np.arange(200), np.arange(many), config, generator).weights

    chosen = fit(1e-4, 3.0)
    np.testing.assert_array_equal(chosen, fit(3.0))
    assert not np.array_equal(chosen, fit(1e-4))


def test_equal_videos_can_be_fitted() -> None:
    videos = views(np.tile(np.eye(1, NGRAMS, dtype=np.float32), (20, 1)), np.zeros((20, DIM), np.float32))
    ridge = fitted(videos, [0] * 20, RegressionConfig(penalties=(0.1,)))
    np.testing.assert_allclose(ridge.scores(videos)[:, 0], 1, atol=0.05)


def test_a_saved_regression_has_the_same_scores(tmp_path: Path) -> None:
    videos, topics = drawn(80, seed=7)
    ridge = fitted(videos, topics, RegressionConfig())
    ridge.save(tmp_path)
    fresh, _ = drawn(20, seed=8)
    loaded = KernelRidge.load(tmp_path)
    np.testing.assert_allclose(loaded.scores(fresh), ridge.scores(fresh), atol=5e-3)
    np.testing.assert_array_equal(loaded.labels, ridge.labels)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read"):
        KernelRidge.load(tmp_path)


def test_weights_of_other_labels_are_refused(tmp_path: Path) -> None:
    videos, topics = drawn(80, seed=7)
    ridge = fitted(videos, topics, RegressionConfig())
    replace(ridge, labels=np.arange(TOPICS + 1)).save(tmp_path)
    with pytest.raises(ValueError, match="of 4 labels"):
        KernelRidge.load(tmp_path)


def test_the_channel_proposes_labels_that_are_probable_at_all() -> None:
    videos, topics = drawn(80, seed=7)
    tags = Ragged.of([np.array([10 + topic]) for topic in topics])
    ridge = fit_kernel_ridge(
        videos, tags, np.arange(80), np.arange(10, 10 + TOPICS), RegressionConfig(), np.random.default_rng(1)
    )
    frames = {"frames": np.eye(1, DIM, dtype=np.float32)[0]}
    known = RecallQuery(VideoEmbeddings(frames), frames, NgramRow(np.array([0]), np.ones(1, np.float32)))
    silent = replace(known, ngrams=NgramRow(np.zeros(0, np.int64), np.zeros(0, np.float32)))
    found, *nothing = Regression(ridge, 5).recall([known, silent, RecallQuery.of(VideoEmbeddings({}))])
    assert nothing == [None, None]
    assert found is not None
    assert found.tag_rows[0] == 10
    assert found.scores[0] > 0.8
    assert (found.scores > 0).all()
    assert (np.diff(found.scores) <= 0).all()
    [best] = Regression(ridge, 1).recall([known])
    assert best is not None
    assert best.tag_rows.tolist() == [10]
