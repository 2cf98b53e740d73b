"""Precision control: the threshold with a precision guarantee."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from rank.precision_control import (
    HeldOutPredictions,
    controlled_threshold,
    evaluate_threshold,
    p_value,
    resplit_rates,
    uploader_losses,
)

DELTA = 0.1
Floats = NDArray[np.float64]


def logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def drawn(
    generator: np.random.Generator, uploaders: int, boast: float = 0.0, spread: float = 0.0
) -> HeldOutPredictions:
    """Uploaders of 1 to some 20 videos of up to 4 candidates, each right as often as it says.

    boast: how much less often they are right, in logits; spread: the deviation of that between uploaders.
    """
    uploader = np.repeat(np.arange(uploaders), generator.geometric(0.3, uploaders))
    logits = -np.sort(-generator.normal(0, 2.0, (len(uploader), 4)) - generator.normal(0, 1, uploaders)[uploader, None])
    likely = logistic(logits - boast + spread * generator.normal(0, 1, uploaders)[uploader, None])
    there = np.arange(4) < generator.integers(0, 5, len(uploader))[:, None]
    right = generator.random(logits.shape) < likely
    starts = np.concatenate([[0], np.cumsum(there.sum(1))]).astype(np.int64)
    return HeldOutPredictions(
        starts, logistic(logits)[there].astype(np.float32), right[there], uploader.astype(np.int64)
    )


def single(confidences: NDArray[np.floating], right: NDArray[np.bool_]) -> HeldOutPredictions:
    """One candidate, one video, one uploader each."""
    count = len(confidences)
    return HeldOutPredictions(np.arange(count + 1), confidences.astype(np.float32), right, np.arange(count))


def repeated(answers: HeldOutPredictions, times: int) -> HeldOutPredictions:
    """Every uploader has each of its videos so many times."""
    sizes = np.tile(np.diff(answers.starts), times)
    return HeldOutPredictions(
        np.concatenate([[0], np.cumsum(sizes)]),
        np.tile(answers.confidences, times),
        np.tile(answers.right, times),
        np.tile(answers.uploaders, times),
    )


def test_the_guarantee_fails_in_at_most_a_share_delta_of_the_draws() -> None:
    """Boasting confidences, uploaders of different quality; the truth is read off 20,000 uploaders."""
    generator = np.random.default_rng(0)
    draws, precision = 80, 0.8
    grid = np.linspace(0.3, 1, 101)
    wrong, answered = uploader_losses(drawn(generator, 20_000, 0.5, 1.5), grid.tolist())
    risks = wrong.sum(1) / np.maximum(answered.sum(1), 1e-9)
    found = [controlled_threshold(drawn(generator, 400, 0.5, 1.5), precision, DELTA, generator) for _ in range(draws)]
    broken = sum(np.interp(threshold, grid, risks) > 1 - precision for threshold in found if threshold is not None)
    assert sum(threshold is not None for threshold in found) > draws / 2
    assert broken <= binom.ppf(0.99, draws, DELTA)


def test_the_guarantee_holds_if_videos_of_an_uploader_are_alike() -> None:
    """No threshold reaches the target, narrowly: 22 of 100 uploaders are wrong in all videos, and 20 are allowed."""
    generator = np.random.default_rng(1)
    draws, uploaders, videos = 100, 60, 10
    broken = 0
    for _ in range(draws):
        right = np.repeat(generator.random(uploaders) >= 0.22, videos)
        confidences = generator.random(len(right)).astype(np.float32)
        owners = np.repeat(np.arange(uploaders), videos)
        answers = HeldOutPredictions(np.arange(len(right) + 1), confidences, right, owners)
        broken += controlled_threshold(answers, 0.8, DELTA, generator) is not None
    assert broken <= binom.ppf(0.99, draws, DELTA)


def test_a_p_value_is_seldom_low_at_the_target_risk() -> None:
    """Units that answer little and are often wrong, mixed with ones that answer always and seldom are: 0.2 overall."""
    generator = np.random.default_rng(2)
    draws, n = 4000, 150
    answered = np.where(generator.random((draws, n)) < 0.5, 1.0, 0.25)
    chance = np.where(answered == 1, 0.15, 0.4)  # 0.15 · 1 + 0.4 · 0.25 = 0.2 · 1.25
    wrong = answered * (generator.random((draws, n)) < chance)
    low = sum(p_value(w, a, 0.2, DELTA) <= DELTA for w, a in zip(wrong, answered, strict=True))
    assert 0.03 * draws < low <= binom.ppf(0.99, draws, DELTA)


def test_with_calibrated_confidences_most_of_what_could_be_answered_is() -> None:
    generator = np.random.default_rng(3)
    everybody = drawn(generator, 20_000)
    grid = np.linspace(0.2, 0.99, 80).tolist()
    wrong, answered = uploader_losses(everybody, grid)
    best = evaluate_threshold(everybody, grid[int(np.argmax(wrong.sum(1) <= 0.1 * answered.sum(1)))]).answered
    for _ in range(3):
        truth = evaluate_threshold(everybody, controlled_threshold(drawn(generator, 2000), 0.9, DELTA, generator))
        assert truth.precision is not None
        assert truth.precision >= 0.9
        assert truth.answered >= 0.85 * best


def test_confident_errors_at_the_top_do_not_end_the_search() -> None:
    confidences = np.linspace(0, 1, 2000)
    right = (confidences < 0.98) & (confidences > 0.3)  # at 0.244 10 in 100 are wrong, and right above
    found = controlled_threshold(single(confidences, right), 0.9, DELTA, np.random.default_rng(4))
    assert found is not None
    assert 0.244 <= found < 0.3


def test_the_search_ends_at_the_first_threshold_that_is_not_rejected() -> None:
    confidences = np.linspace(0, 1, 3000)
    right = (confidences < 0.75) | (confidences > 0.9)  # at 0.75 60 in 100 are wrong, in all 15
    found = controlled_threshold(single(confidences, right), 0.8, DELTA, np.random.default_rng(5))
    assert found is not None
    assert 0.85 < found < 0.9


def test_it_abstains_if_no_threshold_reaches_the_target() -> None:
    generator = np.random.default_rng(6)
    confidences = generator.random(2000)
    assert controlled_threshold(single(confidences, generator.random(2000) < 0.85), 0.9, DELTA, generator) is None
    empty = HeldOutPredictions(np.zeros(4, np.int64), np.zeros(0, np.float32), np.zeros(0, np.bool_), np.arange(3))
    assert controlled_threshold(empty, 0.5, DELTA, generator) is None


def test_many_videos_of_few_uploaders_are_not_enough() -> None:
    generator = np.random.default_rng(7)
    few = drawn(generator, 25)
    few = HeldOutPredictions(few.starts, few.confidences, np.ones_like(few.right), few.uploaders)
    for answers in (few, repeated(few, 50)):
        assert controlled_threshold(answers, 0.9, DELTA, np.random.default_rng(0)) is None
    for first, other in zip(uploader_losses(few, [0.5]), uploader_losses(repeated(few, 50), [0.5]), strict=True):
        np.testing.assert_allclose(first, other)
    as_many = single(generator.random(25 * 50), np.ones(25 * 50, np.bool_))
    assert controlled_threshold(as_many, 0.9, DELTA, np.random.default_rng(0)) is not None


def test_a_higher_precision_never_has_a_lower_threshold() -> None:
    generator = np.random.default_rng(8)
    rose = 0
    for seed in range(5):
        answers = drawn(generator, 300, boast=0.3, spread=0.5)
        found = [controlled_threshold(answers, p / 20, DELTA, np.random.default_rng(seed)) for p in range(8, 20)]
        heights = [math.inf if threshold is None else threshold for threshold in found]
        assert heights == sorted(heights)
        rose += len(set(heights))
    assert rose > 25


@pytest.mark.parametrize("count", [12, 200])  # of few the first bets are the highest allowed
def test_the_p_value_is_the_papers_process_step_by_step(count: int) -> None:
    generator = np.random.default_rng(11)
    answered = generator.choice([0.0, 0.3, 1.0], count)
    wrong = answered * generator.choice([0.0, 0.0, 0.0, 0.0, 0.5, 1.0], count)
    capital = most = 1.0
    losses: list[float] = []
    n = int((answered > 0).sum())
    for loss, bet in zip(wrong, answered, strict=True):
        if bet == 0:
            continue
        squares = 0.25
        for i in range(len(losses)):
            squares += (losses[i] - (0.5 + sum(losses[: i + 1])) / (i + 2)) ** 2
        variance = squares / (len(losses) + 1)
        stake = min(1.0, math.sqrt(2 * math.log(1 / DELTA) / (n * variance)))
        capital *= 1 - stake * (loss - 0.25 * bet)
        most = max(most, capital)
        losses.append(loss)
    assert most > 1.2
    assert p_value(wrong, answered, 0.25, DELTA) == pytest.approx(1 / most)


def test_a_unit_without_an_answer_bets_nothing() -> None:
    wrong, answered = np.array([0.0, 0.0, 0.5]), np.array([1.0, 0.5, 1.0])
    among = p_value(np.insert(wrong, [0, 1, 1], 0.0), np.insert(answered, [0, 1, 1], 0.0), 0.3, DELTA)
    assert among == p_value(wrong, answered, 0.3, DELTA)
    assert p_value(np.zeros(5), np.zeros(5), 0.3, DELTA) == 1.0


def test_an_uploader_counts_once_and_a_video_without_an_answer_not_at_all() -> None:
    predictions = HeldOutPredictions.of(
        [
            (np.array([0.9, 0.6, 0.2], np.float32), np.array([True, False, False])),
            (np.array([0.3], np.float32), np.array([False])),
            (np.zeros(0, np.float32), np.zeros(0, np.bool_)),
            (np.array([0.6], np.float32), np.array([True])),
        ],
        np.array([7, 7, 7, 3]),
    )
    wrong, answered = uploader_losses(predictions, [0.6])
    np.testing.assert_allclose(wrong, [[0.0, 0.5 / 3]])  # uploaders 3 and 7
    np.testing.assert_allclose(answered, [[1.0, 1 / 3]])
    at = evaluate_threshold(predictions, 0.6)
    assert at.precision == pytest.approx(1 - (0.5 / 3) / (4 / 3))
    assert at.video_precision == pytest.approx(0.75)
    assert at.answered == 0.5
    for nothing in (evaluate_threshold(predictions, None), evaluate_threshold(predictions, 0.95)):
        assert (nothing.precision, nothing.video_precision, nothing.answered) == (None, None, 0.0)


def test_saved_and_loaded_they_are_the_same_to_the_bit(tmp_path: Path) -> None:
    predictions = drawn(np.random.default_rng(10), 300)
    predictions.save(tmp_path / "answers.parquet")
    loaded = HeldOutPredictions.load(tmp_path / "answers.parquet")
    assert (np.diff(predictions.starts) == 0).any()
    for name in ("starts", "confidences", "right", "uploaders"):
        first, other = getattr(predictions, name), getattr(loaded, name)
        assert first.dtype == other.dtype
        np.testing.assert_array_equal(first, other)
    found = [controlled_threshold(answers, 0.7, DELTA, np.random.default_rng(0)) for answers in (predictions, loaded)]
    assert found[0] == found[1] is not None


def test_a_threshold_is_a_confidence_that_occurs() -> None:
    predictions = drawn(np.random.default_rng(11), 300)
    found = controlled_threshold(predictions, 0.7, DELTA, np.random.default_rng(0))
    assert np.float32(found) in predictions.confidences
    assert found == float(np.float32(found))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_precision_and_delta_must_be_between_0_and_1(share: float) -> None:
    predictions = drawn(np.random.default_rng(0), 5)
    with pytest.raises(ValueError, match="a precision of"):
        controlled_threshold(predictions, share, DELTA, np.random.default_rng(0))
    with pytest.raises(ValueError, match="a doubt of"):
        controlled_threshold(predictions, 0.9, share, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"uploaders": np.zeros(0, np.int64), "starts": np.zeros(1, np.int64)}, r"uploaders \(0,\)"),
        ({"uploaders": np.arange(3)}, r"starts \(3,\).*not the starts of 3 videos"),
        ({"starts": np.array([0, 2, 4])}, r"confidences \(3,\).*do not span"),
        ({"starts": np.array([0, 4, 3])}, "do not span"),
        ({"right": np.array([True])}, r"confidences \(3,\), right \(1,\)"),
        ({"right": np.ones(3)}, r"right \(3,\) float64"),
        ({"confidences": np.array([0.5, np.nan, 0.5], np.float32)}, r"outside \[0, 1\]"),
        ({"confidences": np.array([1.5, 0.5, 0.5], np.float32)}, r"outside \[0, 1\]"),
        ({"confidences": np.array([0.5, 0.6, 0.5], np.float32)}, "not best first"),
    ],
)
def test_inconsistent_predictions_are_rejected(changed: dict[str, NDArray[np.generic]], message: str) -> None:
    fields = {
        "starts": np.array([0, 2, 3]),
        "confidences": np.array([0.5, 0.4, 0.9], np.float32),
        "right": np.array([True, False, True]),
        "uploaders": np.array([4, 4]),
    }
    HeldOutPredictions(**fields)
    with pytest.raises(ValueError, match=message):
        HeldOutPredictions(**{**fields, **changed})


def test_resplits_reach_an_easy_target_and_answer_nothing_if_all_is_wrong() -> None:
    generator = np.random.default_rng(5)
    certain = single(generator.uniform(0.5, 1, 400), np.ones(400, np.bool_))
    assert resplit_rates(certain, 0.8, DELTA, 5, generator) == (1.0, 1.0)
    hopeless = single(generator.uniform(0.5, 1, 400), np.zeros(400, np.bool_))
    assert resplit_rates(hopeless, 0.8, DELTA, 5, generator) == (1.0, 0.0)


def test_resplits_show_a_target_that_the_other_half_misses() -> None:
    """With a delta of almost 1 any precision is guaranteed, and uploaders that are right half of the time miss it."""
    generator = np.random.default_rng(6)
    coins = single(np.full(400, 0.9), generator.random(400) < 0.5)
    kept, answered = resplit_rates(coins, 0.6, 0.9999, 20, generator)
    assert answered > 0.5
    assert kept < 0.6


def test_some_of_the_videos_keep_their_candidates_and_uploaders() -> None:
    given = drawn(np.random.default_rng(7), 30)
    chosen = np.random.default_rng(8).random(len(given)) < 0.5
    chosen_predictions = given.only(chosen)
    want = [given.confidences[given.starts[v] : given.starts[v + 1]].tolist() for v in np.flatnonzero(chosen)]
    assert [
        chosen_predictions.confidences[chosen_predictions.starts[v] : chosen_predictions.starts[v + 1]].tolist()
        for v in range(len(chosen_predictions))
    ] == want
    assert chosen_predictions.uploaders.tolist() == given.uploaders[chosen].tolist()
