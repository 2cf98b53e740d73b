"""Which candidate of a video comes before which."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rank.tree_reranker import (
    Example,
    TreeReranker,
    cross_fitted_scores,
    fit_tree_reranker,
    recall_log_odds,
    reranker_features,
)
from tagging.config.rank import TreeRerankerConfig
from tagging.errors import NothingToLearnError
from tagging.types import Candidates

CONFIG = TreeRerankerConfig(trees=30, leaves=7, least_in_leaf=20)
BY_HEART = TreeRerankerConfig(trees=100, leaves=31, rate=0.1, least_in_leaf=1, feature_share=1.0)
CHANNELS = ("text", "best words")


def drawn(seed: int, count: int, candidates: int = 12) -> list[Example]:
    """One candidate of each video is right: the one that `best words` says more of than of the others.

    The signal varies more between videos than within one; recall's probability and cosine are noise.
    """
    generator = np.random.default_rng(seed)
    videos: list[Example] = []
    for _ in range(count):
        scores = generator.random((candidates, 2)).astype(np.float32)
        right = int(generator.integers(candidates))
        scores[right, 1] = 1.2
        scores[:, 1] *= np.exp(generator.normal(scale=0.05))
        scores[generator.random(candidates) < 0.3, 0] = np.nan
        likely = generator.uniform(0.01, 0.5, candidates).astype(np.float32)
        rows = np.sort(generator.choice(1000, candidates, replace=False))
        cosines = generator.uniform(-1, 1, candidates).astype(np.float32)
        videos.append((Candidates(rows, CHANNELS, scores, probabilities=likely), cosines, rows[right : right + 1]))
    return videos


def share_first(order: TreeReranker, videos: list[Example]) -> float:
    """Return how often the right candidate is first."""
    firsts = [int(shown.tag_rows[np.argmax(order.score(shown, near))]) for shown, near, _ in videos]
    return float(np.mean([first in true for first, (_, _, true) in zip(firsts, videos, strict=True)]))


@pytest.fixture(scope="module")
def order() -> TreeReranker:
    return fit_tree_reranker(drawn(1, 300), CONFIG, 7)


def test_an_informative_channel_ranks_first_on_unseen_videos(order: TreeReranker) -> None:
    assert share_first(order, drawn(2, 200)) > 0.8


def test_the_same_seed_gives_the_same_order_and_reads_back_the_same(order: TreeReranker, tmp_path: Path) -> None:
    again = fit_tree_reranker(drawn(1, 300), CONFIG, 7)
    order.save(tmp_path / "order.txt")
    loaded = TreeReranker.load(tmp_path / "order.txt")
    for shown, near, _ in drawn(3, 5):
        np.testing.assert_array_equal(order.score(shown, near), again.score(shown, near))
        np.testing.assert_allclose(order.score(shown, near), loaded.score(shown, near), rtol=1e-6)


def test_cross_fitted_scores_do_not_leak_labels() -> None:
    """Random labels are memorised, but each half is scored by the model of the other half."""
    generator = np.random.default_rng(5)
    videos = [(shown, near, generator.choice(shown.tag_rows, 1)) for shown, near, _ in drawn(4, 200)]

    def share(scores: list[NDArray[np.float32]]) -> float:
        pairs = zip(scores, videos, strict=True)
        return float(np.mean([shown.tag_rows[np.argmax(score)] in true for score, (shown, _, true) in pairs]))

    whole = fit_tree_reranker(videos, BY_HEART, 7)
    assert share([whole.score(shown, near) for shown, near, _ in videos]) > 0.6
    assert share(cross_fitted_scores(videos, np.arange(200), BY_HEART, 7)) < 0.3
    # All of one uploader cannot be halved by uploaders; then videos are.
    assert share(cross_fitted_scores(videos, np.zeros(200, np.int64), BY_HEART, 7)) < 0.3


def test_videos_of_one_uploader_are_in_one_half() -> None:
    videos, groups = drawn(6, 60), np.arange(60) // 2
    generator = np.random.default_rng(8)
    twins = [videos[row - row % 2] for row in range(60)]  # each uploader says everything twice
    labelled = [(shown, near, generator.choice(shown.tag_rows, 1)) for shown, near, _ in twins]
    labelled = [labelled[row - row % 2] for row in range(60)]
    scores = cross_fitted_scores(labelled, groups, BY_HEART, 7)
    found = [shown.tag_rows[np.argmax(score)] in true for score, (shown, _, true) in zip(scores, labelled, strict=True)]
    assert np.mean(found) < 0.4


def test_features_are_log_odds_cosine_newness_and_log_scores() -> None:
    shown = Candidates(
        np.array([3, 9]), CHANNELS, np.array([[0.5, np.nan], [np.nan, 0.0]], np.float32), new={9: "new"},
        probabilities=np.array([0.5, 1.0], np.float32),
    )  # fmt: skip
    got = reranker_features(shown, np.array([0.25, -0.5], np.float32))
    np.testing.assert_allclose(got[0], [0.0, 0.25, 0.0, np.log(0.5), np.nan], rtol=1e-6)
    np.testing.assert_allclose(got[1], [np.log(1e6 - 1), -0.5, 1.0, np.nan, np.log(1e-6)], rtol=1e-5)
    with pytest.raises(ValueError, match="their recall has no fusion model"):
        recall_log_odds(Candidates(np.array([3]), ("text",), np.ones((1, 1), np.float32)))


def test_a_video_without_candidates_is_left_out_and_has_no_scores(order: TreeReranker) -> None:
    none = (
        Candidates(
            np.zeros(0, np.int64), CHANNELS, np.zeros((0, 2), np.float32), probabilities=np.zeros(0, np.float32)
        ),
    )
    nothing = (*none, np.zeros(0, np.float32), np.array([4]))
    assert order.score(*nothing[:2]).shape == (0,)
    with_it = fit_tree_reranker([nothing, *drawn(1, 300), nothing], CONFIG, 7)
    [(shown, near, _)] = drawn(3, 1)
    np.testing.assert_array_equal(order.score(shown, near), with_it.score(shown, near))
    with pytest.raises(NothingToLearnError, match="2 videos without a candidate"):
        fit_tree_reranker([nothing, nothing], CONFIG, 7)


def test_a_reranker_of_other_channels_is_rejected(order: TreeReranker) -> None:
    shown = Candidates(np.array([3]), ("text",), np.ones((1, 1), np.float32), probabilities=np.array([0.5], np.float32))
    with pytest.raises(ValueError, match=r"the re-ranker was fitted with .*best_words"):
        order.score(shown, np.zeros(1, np.float32))


def test_a_higher_recall_probability_or_cosine_never_ranks_lower(order: TreeReranker) -> None:
    [(shown, _, _)] = drawn(9, 1, candidates=50)
    same = replace(shown, scores=np.repeat(shown.scores[:1], 50, axis=0), probabilities=np.full(50, 0.2, np.float32))
    rising = np.linspace(-1, 1, 50, dtype=np.float32)
    assert (np.diff(order.score(same, rising)) >= 0).all()
    likelier = replace(same, probabilities=np.linspace(0.01, 0.99, 50, dtype=np.float32))
    assert (np.diff(order.score(likelier, np.zeros(50, np.float32))) >= 0).all()
