"""Thresholds of tags of their own, as offsets of their log-odds."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from rank.tag_offsets import FOLDS, HeldOutLogOdds, candidate_offsets, fit_offsets, held_out_gain, map_offsets
from tagging.config.rank import TagOffsetsConfig

Floats = NDArray[np.float64]
CONFIG = TagOffsetsConfig(spreads=(0.2, 0.4, 0.8), standard_errors=2.0, least_uploaders=10)


def drawn(
    generator: np.random.Generator, offsets: Sequence[float], videos: int = 300, of_uploader: int = 2
) -> HeldOutLogOdds:
    """Videos of which each tag is a candidate, right as often as its log-odds with its true offset say."""
    tags = np.tile(np.arange(len(offsets)), videos)
    odds = generator.normal(-1, 1.5, len(tags))
    right = generator.random(len(tags)) < expit(odds + np.array(offsets)[tags])
    return HeldOutLogOdds(odds, right, tags, np.repeat(np.arange(videos) // of_uploader, len(offsets)))


def loss(judged: HeldOutLogOdds, offsets: Floats) -> float:
    """Mean nats of candidates."""
    sure = expit(judged.odds + offsets[judged.tags])
    return float(-np.mean(np.log(np.where(judged.right, sure, 1 - sure))))


def by_search(odds: Floats, right: NDArray[np.bool_], spread: float, weight: float = 1.0) -> float:
    """The most probable offset of one tag whose candidates count the same."""

    def unlikely(offset: float) -> float:
        losses = np.logaddexp(0, np.where(right, -1, 1) * (odds + offset))
        return float(weight * losses.sum() + offset**2 / (2 * spread**2))

    return float(minimize_scalar(unlikely, bounds=(-60, 60), method="bounded", options={"xatol": 1e-9}).x)


def test_one_threshold_for_shifted_confidences_is_one_for_each_tag() -> None:
    generator = np.random.default_rng(0)
    odds, rows = generator.normal(0, 3, 200), np.arange(200)
    offsets = dict(zip(rows.tolist(), generator.normal(0, 1, 200).tolist(), strict=True))
    for least in (0.05, 0.5, 0.9):
        shown = expit(odds + candidate_offsets(rows, {}, offsets)) >= least
        own = [odds[row] >= math.log(least / (1 - least)) - offsets[row] for row in rows.tolist()]
        assert shown.tolist() == own


@pytest.mark.parametrize("spread", [0.1, 0.5, 2.0])
def test_an_offset_is_the_most_probable_one(spread: float) -> None:
    judged = drawn(np.random.default_rng(1), np.linspace(-2, 2, 9).tolist(), videos=60)
    few = judged.only((judged.tags != 3) | (np.arange(len(judged.tags)) < 40))
    weights = np.array([1.0, 0.3, 2.0, *[1.0] * 6])
    found = map_offsets(few.odds, few.right, few.tags, weights[few.tags], 10, spread)
    for tag in range(9):
        of_tag = few.tags == tag
        want = by_search(few.odds[of_tag], few.right[of_tag], spread, weights[tag])
        assert found[tag] == pytest.approx(want, abs=1e-5)
    assert found[9] == 0  # nothing speaks of it


@pytest.mark.parametrize("odds", [-30.0, -6.0, 0.0, 6.0, 30.0])
@pytest.mark.parametrize("is_right", [True, False])
def test_an_offset_is_finite_if_all_candidates_are_right_or_none(odds: float, is_right: bool) -> None:
    given, right = np.full(400, odds), np.full(400, is_right)
    [found] = map_offsets(given, right, np.zeros(400, np.int64), np.ones(400), 1, 2.0)
    assert found == pytest.approx(by_search(given, right, 2.0), abs=1e-4)
    assert (found >= 0) == is_right


def test_few_candidates_move_an_offset_little_and_many_to_their_log_odds() -> None:
    counts = [4, 16, 64, 256, 1024, 65536]
    tags = np.repeat(np.arange(len(counts)), counts)
    right = np.concatenate([np.arange(count) % 4 > 0 for count in counts])  # three of four
    found = map_offsets(np.zeros(len(tags)), right, tags, np.ones(len(tags)), len(counts), 0.5)
    assert (np.diff(found) > 0).all()
    assert found[0] < 0.25
    assert found[-1] == pytest.approx(math.log(3), abs=0.01)


def test_offsets_of_tags_that_differ_are_learnt_and_help_unseen_videos() -> None:
    true = np.random.default_rng(2).normal(0, 1, 60)
    found = fit_offsets(drawn(np.random.default_rng(3), true.tolist()), CONFIG, 7)
    assert sorted(found) == list(range(60))
    offsets = np.array([found[tag] for tag in range(60)])
    assert np.corrcoef(offsets, true)[0, 1] > 0.95
    fresh = drawn(np.random.default_rng(4), true.tolist(), videos=1000)
    best, without = loss(fresh, true), loss(fresh, np.zeros(60))
    assert loss(fresh, offsets) < best + 0.1 * (without - best)


def test_the_gain_is_the_lower_loss_of_each_fold_with_offsets_of_the_others() -> None:
    judged = drawn(np.random.default_rng(5), [-1.5, 0.0, 1.5], videos=40)
    saved, error = held_out_gain(judged, 0.5, 7)
    fold = np.random.default_rng([7, 10]).permutation(20) % FOLDS
    of_uploader = np.zeros(20)
    for case in range(len(judged.tags)):
        others = (judged.tags == judged.tags[case]) & (fold[judged.uploaders] != fold[judged.uploaders[case]])
        offset = by_search(judged.odds[others], judged.right[others], 0.5, 0.5)  # two videos an uploader
        with_it, without = (expit(odds) for odds in (judged.odds[case] + offset, judged.odds[case]))
        of_right = with_it / without if judged.right[case] else (1 - with_it) / (1 - without)
        of_uploader[judged.uploaders[case]] += 0.5 * math.log(of_right)
    assert saved == pytest.approx(of_uploader.sum(), abs=1e-4)
    assert error == pytest.approx(math.sqrt(20) * of_uploader.std(), abs=1e-4)


@pytest.mark.slow
def test_offsets_are_rare_if_tags_do_not_differ() -> None:
    none = [fit_offsets(drawn(np.random.default_rng([6, draw]), [0.0] * 20), CONFIG, draw) for draw in range(100)]
    assert sum(map(bool, none)) <= 5


@pytest.mark.slow
def test_repetition_by_a_single_uploader_is_not_learnt() -> None:
    """An uploader that is lucky with a tag is so on all of its videos, which predicts nothing about other uploaders."""
    given = 0
    for draw in range(40):
        generator = np.random.default_rng([8, draw])
        judged = drawn(generator, [0.0] * 10, videos=1200, of_uploader=20)
        luck = generator.random((60, 10))[judged.uploaders, judged.tags]
        given += bool(fit_offsets(replace(judged, right=luck < expit(judged.odds)), CONFIG, draw))
    assert given <= 3


def test_an_uploader_counts_once_however_often_it_repeats_a_tag() -> None:
    judged = drawn(np.random.default_rng(12), [-1.0, 0.0, 1.0], of_uploader=1)
    found = fit_offsets(judged, CONFIG, 7)
    times = np.where(judged.uploaders % 7 == 0, 50, 1)
    again = HeldOutLogOdds(
        np.repeat(judged.odds, times), np.repeat(judged.right, times), np.repeat(judged.tags, times),
        np.repeat(judged.uploaders, times),
    )  # fmt: skip
    assert fit_offsets(again, CONFIG, 7) == pytest.approx(found, abs=1e-6)
    assert found != {}


@pytest.mark.parametrize(
    ("candidates", "of_uploader", "counts"), [(9, 1, False), (10, 1, True), (30, 3, True), (300, 34, False)]
)
def test_only_tags_with_uploaders_enough_have_one(candidates: int, of_uploader: int, counts: bool) -> None:
    others = drawn(np.random.default_rng(9), [-2.0, 2.0], videos=400)
    numbers = np.arange(candidates)
    judged = HeldOutLogOdds(
        np.concatenate([others.odds, np.zeros(candidates)]),
        np.concatenate([others.right, numbers % 5 > 0]),
        np.concatenate([others.tags, np.full(candidates, 77)]),
        np.concatenate([others.uploaders, 1000 + numbers // of_uploader]),
    )
    assert fit_offsets(judged, CONFIG, 7).keys() == ({0, 1, 77} if counts else {0, 1})


def test_without_a_spread_or_a_candidate_there_are_none_and_this_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    judged = drawn(np.random.default_rng(10), [-2.0, 2.0])
    caplog.set_level(logging.INFO, "rank")
    assert fit_offsets(judged, CONFIG, 7) != {}
    assert "2 tags have a threshold of their own" in caplog.text
    caplog.clear()
    assert fit_offsets(judged, CONFIG.model_copy(update={"spreads": ()}), 7) == {}
    assert fit_offsets(judged.only(np.zeros(len(judged.tags), np.bool_)), CONFIG, 7) == {}
    assert caplog.text.count("no tag has a threshold of its own") == 2


def test_the_same_candidates_and_seed_give_the_same_offsets() -> None:
    judged = drawn(np.random.default_rng(11), np.linspace(-1, 1, 20).tolist())
    assert fit_offsets(judged, CONFIG, 7) == fit_offsets(judged, CONFIG, 7) != {}


def test_a_tag_without_an_offset_a_new_one_and_one_beyond_the_catalog_are_not_shifted() -> None:
    offsets = {0: 0.5, 2: -1.0, 5: 3.0}
    assert candidate_offsets(np.array([0, 1, 2, 5, 900]), {5: "five", 900: "new"}, offsets).tolist() == [
        0.5,
        0,
        -1.0,
        0,
        0,
    ]
    assert candidate_offsets(np.zeros(0, np.int64), {}, offsets).shape == (0,)
