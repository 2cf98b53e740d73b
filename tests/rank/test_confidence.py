"""How sure a candidate is."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rank.confidence import Confidence, fit_confidence, signs_of
from tagging.types import Candidates

SOME = Confidence(likely=0.8, cosine=3.0, new=-0.5, bias=-1.0)
Fitted = tuple[Candidates, NDArray[np.float32], NDArray[np.int64]]


def candidates(likely: Sequence[float] | None, new: Sequence[int] = (), count: int = 0) -> Candidates:
    count = count if likely is None else len(likely)
    return Candidates(
        np.arange(count),
        ("text",),
        np.full((count, 1), 0.5, np.float32),
        new=dict.fromkeys(new, "new"),
        likely=None if likely is None else np.array(likely, np.float32),
    )


def cosines(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_it_is_a_logistic_curve_over_log_odds_cosine_and_newness() -> None:
    likely, near, new = [0.2, 0.9, 0.5, 1e-4], [0.3, -0.1, 0.9, 0.0], [2, 3]
    got = SOME.weigh(candidates(likely, new), cosines(*near))
    for row, (p, cosine) in enumerate(zip(likely, near, strict=True)):
        odds = 0.8 * math.log(p / (1 - p)) + 3.0 * cosine - 0.5 * (row in new) - 1.0
        assert got[row] == pytest.approx(1 / (1 + math.exp(-odds)), rel=1e-4)
    assert got.dtype == np.float32


def test_a_surer_recall_and_a_nearer_tag_are_never_less_sure() -> None:
    by_recall = SOME.weigh(candidates(np.linspace(0, 1, 50).tolist()), cosines(*[0.3] * 50))
    by_cosine = SOME.weigh(candidates([0.3] * 50), np.linspace(-1, 1, 50, dtype=np.float32))
    for sure in (by_recall, by_cosine):
        assert (np.diff(sure) >= 0).all()
        assert sure[0] < sure[-1]
        assert ((sure >= 0) & (sure <= 1)).all()  # a likelihood of 0 or 1 is no infinity


def test_no_candidates_have_no_confidence() -> None:
    assert SOME.weigh(candidates([]), cosines()).shape == (0,)


def test_candidates_without_a_likelihood_are_refused() -> None:
    with pytest.raises(ValueError, match="their recall learnt none"):
        SOME.weigh(candidates(None, count=2), cosines(0.1, 0.2))


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    odd = Confidence(1 / 3, math.pi, -1e-17, 2e9)
    odd.save(tmp_path / "c.json")
    assert Confidence.load(tmp_path / "c.json") == odd


def drawn(generator: np.random.Generator, videos: int, weights: Sequence[float]) -> list[Fitted]:
    """Videos of six candidates, each right as often as these weights (likely, cosine, new, bias) say."""
    fitted: list[Fitted] = []
    for _ in range(videos):
        likely, near = generator.uniform(0.02, 0.98, 6), generator.uniform(-1, 1, 6).astype(np.float32)
        new = np.flatnonzero(generator.random(6) < 0.3)
        is_new = np.isin(np.arange(6), new)
        odds = np.stack([np.log(likely / (1 - likely)), near, is_new, np.ones(6)], axis=1) @ np.array(weights)
        right = np.flatnonzero(generator.random(6) < 1 / (1 + np.exp(-odds)))
        fitted.append((candidates(likely.tolist(), new.tolist()), near, right))
    return fitted


def test_the_weights_that_made_the_labels_are_found() -> None:
    weights = (0.7, 2.0, 1.0, -1.0)
    found = fit_confidence(drawn(np.random.default_rng(0), 3000, weights))
    np.testing.assert_allclose([found.likely, found.cosine, found.new, found.bias], weights, atol=0.15)


def test_on_the_whole_as_many_are_right_as_it_says() -> None:
    some = drawn(np.random.default_rng(1), 500, (0.7, 2.0, 1.0, -1.0))
    found = fit_confidence(some)
    said = sum(float(found.weigh(one, near).sum()) for one, near, _ in some)
    assert said == pytest.approx(sum(len(right) for _, _, right in some), rel=1e-3)


def test_where_the_cosine_alone_tells_right_from_wrong_it_gets_the_weight() -> None:
    videos: list[Fitted] = [(candidates([0.4, 0.4, 0.4]), cosines(0.8, 0.1, -0.3), np.array([0])) for _ in range(20)]
    found = fit_confidence(videos)
    assert found.cosine > 1
    sure = found.weigh(*videos[0][:2])
    assert sure[0] > 0.5 > sure[1] > sure[2]


@pytest.mark.parametrize("true", [[0, 1], []])
def test_only_right_or_only_wrong_candidates_teach_nothing(true: list[int]) -> None:
    nothing = (candidates([]), cosines(), np.array([5]))
    with pytest.raises(ValueError, match=f"{len(true)} of 2 candidates are right"):
        fit_confidence([(candidates([0.3, 0.6]), cosines(0.1, 0.2), np.array(true, np.int64)), nothing])
    with pytest.raises(ValueError, match="0 of 0 candidates are right"):
        fit_confidence([nothing])


def test_videos_without_candidates_change_nothing() -> None:
    some = drawn(np.random.default_rng(2), 50, (0.7, 2.0, 1.0, -1.0))
    nothing = (candidates([]), cosines(), np.array([5]))
    assert fit_confidence([nothing, *some, nothing]) == fit_confidence(some)
    assert signs_of(*nothing[:2]).shape == (0, 3)
