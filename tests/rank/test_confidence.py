"""Confidence of a candidate against the formula and drawn data."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logit

from rank.confidence import ConfidenceModel, confidence_features, fit_confidence
from rank.tree_reranker import Example
from tagging.config.rank import TagOffsetsConfig
from tagging.errors import NothingToLearnError
from tagging.types import Candidates

SOME = ConfidenceModel(likely=0.8, cosine=3.0, new=-0.5, order=0.4, bias=-1.0)


def candidates(likely: Sequence[float] | None, new: Sequence[int] = (), count: int = 0) -> Candidates:
    count = count if likely is None else len(likely)
    return Candidates(
        np.arange(count),
        ("text",),
        np.full((count, 1), 0.5, np.float32),
        new=dict.fromkeys(new, "new"),
        probabilities=None if likely is None else np.array(likely, np.float32),
    )


def fitted(videos: Sequence[Example], ordered: Sequence[NDArray[np.float32]], *spreads: float) -> ConfidenceModel:
    """On videos each of an uploader of its own."""
    return fit_confidence(videos, ordered, np.arange(len(videos)), TagOffsetsConfig(spreads=spreads), 7)


def probabilities(
    model: ConfidenceModel, proposed: Candidates, near: NDArray[np.float32], ordered: NDArray[np.float32]
) -> NDArray[np.float32]:
    return model.scores(proposed, near, ordered).confidences


def cosines(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_it_is_a_logistic_curve_over_log_odds_cosine_newness_and_order() -> None:
    likely, near, new, ordered = [0.2, 0.9, 0.5, 1e-4], [0.3, -0.1, 0.9, 0.0], [2, 3], [1.5, -2.0, 0.0, 0.3]
    got = probabilities(SOME, candidates(likely, new), cosines(*near), cosines(*ordered))
    for row, (p, cosine, score) in enumerate(zip(likely, near, ordered, strict=True)):
        odds = 0.8 * math.log(p / (1 - p)) + 3.0 * cosine - 0.5 * (row in new) + 0.4 * score - 1.0
        assert got[row] == pytest.approx(1 / (1 + math.exp(-odds)), rel=1e-4)
    assert got.dtype == np.float32


def test_a_tags_offset_shifts_its_log_odds_and_no_others() -> None:
    of_tags = replace(SOME, offsets={0: 0.7, 2: -1.5, 3: 4.0, 9: 4.0})
    given = candidates([0.2, 0.9, 0.5, 0.4], new=[3]), cosines(0.3, -0.1, 0.9, 0.0), cosines(0, 0, 0, 0)
    before, after = (logit(probabilities(scores_of, *given).astype(float)) for scores_of in (SOME, of_tags))
    np.testing.assert_allclose(after - before, [0.7, 0, -1.5, 0], atol=1e-5)  # whatever row a new tag has


def test_each_feature_alone_raises_confidence_but_never_to_certainty() -> None:
    rising, same = np.linspace(-1, 1, 50, dtype=np.float32), np.full(50, 0.3, np.float32)
    by_recall = probabilities(SOME, candidates(np.linspace(0, 1, 50).tolist()), same, same)
    by_cosine = probabilities(SOME, candidates([0.3] * 50), rising, same)
    by_order = probabilities(SOME, candidates([0.3] * 50), same, rising)
    for sure in (by_recall, by_cosine, by_order):
        assert (np.diff(sure) >= 0).all()
        assert sure[0] < sure[-1]
        assert ((sure >= 0) & (sure <= 1)).all()  # a likelihood of 0 or 1 is no infinity


def test_the_terms_are_the_weighted_features_and_sum_to_the_log_odds() -> None:
    model = replace(SOME, offsets={0: 0.7})
    given = candidates([0.2, 0.9, 0.5], new=[2]), cosines(0.3, -0.1, 0.9), cosines(1.5, -2.0, 0.0)
    scores = model.scores(*given)
    terms = {name: values.tolist() for name, values in scores.contributions.items()}
    assert list(terms) == ["recall", "cosine", "new", "re-ranker", "offset", "bias"]
    assert terms["recall"] == pytest.approx([0.8 * math.log(p / (1 - p)) for p in (0.2, 0.9, 0.5)], abs=1e-6)
    assert terms["cosine"] == pytest.approx([0.9, -0.3, 2.7])
    assert terms["new"] == pytest.approx([0, 0, -0.5])
    assert terms["re-ranker"] == pytest.approx([0.6, -0.8, 0])
    assert terms["offset"] == pytest.approx([0.7, 0, 0])
    assert terms["bias"] == pytest.approx([-1.0] * 3)
    log_odds = logit(scores.confidences.astype(float))
    assert [sum(parts) for parts in zip(*terms.values(), strict=True)] == pytest.approx(log_odds.tolist(), abs=1e-5)


def test_no_candidates_have_no_confidence() -> None:
    assert probabilities(SOME, candidates([]), cosines(), cosines()).shape == (0,)


def test_candidates_without_a_recall_probability_are_rejected() -> None:
    with pytest.raises(ValueError, match="their recall has no fusion model"):
        probabilities(SOME, candidates(None, count=2), cosines(0.1, 0.2), cosines(0, 0))


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    odd = ConfidenceModel(1 / 3, math.pi, -1e-17, 5.0, 2e9, {0: -1 / 3, 470_724: 1e-300})
    odd.save(tmp_path / "c.json")
    assert ConfidenceModel.load(tmp_path / "c.json") == odd


Drawn = tuple[list[Example], list[NDArray[np.float32]]]


def drawn(generator: np.random.Generator, videos: int, weights: Sequence[float]) -> Drawn:
    """Videos of six candidates, each right as often as these weights (likely, cosine, new, order, bias) say, and what
    an order made of them.
    """
    fitted: list[Example] = []
    ordered = [generator.normal(size=6).astype(np.float32) for _ in range(videos)]
    for scores in ordered:
        likely, near = generator.uniform(0.02, 0.98, 6), generator.uniform(-1, 1, 6).astype(np.float32)
        new = np.flatnonzero(generator.random(6) < 0.3)
        is_new = np.isin(np.arange(6), new)
        odds = np.stack([np.log(likely / (1 - likely)), near, is_new, scores, np.ones(6)], axis=1) @ np.array(weights)
        right = np.flatnonzero(generator.random(6) < 1 / (1 + np.exp(-odds)))
        fitted.append((candidates(likely.tolist(), new.tolist()), near, right))
    return fitted, ordered


def test_the_weights_that_made_the_labels_are_found() -> None:
    weights = (0.7, 2.0, 1.0, 0.6, -1.0)
    found = fitted(*drawn(np.random.default_rng(0), 3000, weights))
    np.testing.assert_allclose([found.likely, found.cosine, found.new, found.order, found.bias], weights, atol=0.15)


def test_confidences_sum_to_the_number_of_right_candidates() -> None:
    drawn_videos, ordered = drawn(np.random.default_rng(1), 500, (0.7, 2.0, 1.0, 0.6, -1.0))
    found = fitted(drawn_videos, ordered)
    total = sum(
        float(probabilities(found, candidates_of, near, score).sum())
        for (candidates_of, near, _), score in zip(drawn_videos, ordered, strict=True)
    )
    assert total == pytest.approx(sum(len(right) for _, _, right in drawn_videos), rel=1e-3)


def test_a_random_reranker_gets_no_weight() -> None:
    drawn_videos, _ = drawn(np.random.default_rng(3), 2000, (0.7, 2.0, 1.0, 0.0, -1.0))
    noise = np.random.default_rng(4)
    found = fitted(drawn_videos, [noise.normal(size=6).astype(np.float32) for _ in drawn_videos])
    assert abs(found.order) < 0.1 < found.likely


def test_a_cosine_that_alone_separates_right_from_wrong_gets_the_weight() -> None:
    videos: list[Example] = [(candidates([0.4, 0.4, 0.4]), cosines(0.8, 0.1, -0.3), np.array([0])) for _ in range(20)]
    found = fitted(videos, [cosines(0, 0, 0)] * 20)
    assert found.cosine > 1
    sure = probabilities(found, *videos[0][:2], cosines(0, 0, 0))
    assert sure[0] > 0.5 > sure[1] > sure[2]


@pytest.mark.parametrize("true", [[0, 1], []])
def test_only_right_or_only_wrong_candidates_cannot_be_fitted(true: list[int]) -> None:
    nothing = (candidates([]), cosines(), np.array([5]))
    drawn_videos = (candidates([0.3, 0.6]), cosines(0.1, 0.2), np.array(true, np.int64))
    with pytest.raises(NothingToLearnError, match=f"{len(true)} of 2 candidates are correct"):
        fitted([drawn_videos, nothing], [cosines(0, 0), cosines()])
    with pytest.raises(NothingToLearnError, match="0 of 0 candidates are correct"):
        fitted([nothing], [cosines()])


def test_videos_without_candidates_change_nothing() -> None:
    drawn_videos, ordered = drawn(np.random.default_rng(2), 50, (0.7, 2.0, 1.0, 0.5, -1.0))
    nothing = (candidates([]), cosines(), np.array([5]))
    with_them = fitted([nothing, *drawn_videos, nothing], [cosines(), *ordered, cosines()])
    assert with_them == fitted(drawn_videos, ordered)
    assert confidence_features(*nothing[:2], cosines()).shape == (0, 4)


def test_tags_that_are_right_more_often_than_the_others_get_an_offset_unless_they_were_new() -> None:
    drawn_videos, ordered = drawn(np.random.default_rng(5), 600, (0.7, 2.0, -1.0, 0.6, -1.0))
    generator = np.random.default_rng(6)
    videos: list[Example] = []
    for (
        shown,
        near,
        right,
    ) in drawn_videos:  # half of the wrong first and last candidates are right after all, all of new ones
        luckier = [row for row in (0, 5) if generator.random() < (1.0 if row in shown.new else 0.5)]
        videos.append((shown, near, np.union1d(right, luckier)))
    found = fitted(videos, ordered, 0.25, 0.5)
    assert found.offsets.keys() == set(range(6))
    assert min(found.offsets[row] for row in (0, 5)) > 0.2 > max(found.offsets[row] for row in (1, 2, 3, 4))
    never_new = [(replace(shown, new={}), near, right) for shown, near, right in videos]
    assert fitted(never_new, ordered, 0.25, 0.5).offsets[0] > found.offsets[0] + 0.2
    assert fitted(videos, ordered).offsets == {}
