"""Channel fusion: the probability of candidates from the scores of all channels."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recall.fusion import Fusion, FusionExample, cross_fitted_candidates, fit_fusion, top_candidates, uses_of
from recall.name_words import NameWords
from tagging.config.recall import RecallFusionConfig
from tagging.files.trees import fit_trees
from tagging.types import Candidates

NAMES = ["alpha", "beta", "gamma", "delta"]
WORDS = NameWords(NAMES)
USES = np.array([[5, 9], [4, 8], [1, 1], [1, 1]], np.float32)
CONFIG = RecallFusionConfig(trees=20, least_in_leaf=5, rate=0.2)


def candidates(scores: list[list[float]], channels: tuple[str, ...] = ("good", "noise")) -> Candidates:
    return Candidates(np.arange(len(scores)), channels, np.array(scores, np.float32))


def example(generator: np.random.Generator) -> FusionExample:
    """Return an example: the channel "good" scores correct tags high, "noise" is random."""
    true = generator.choice(4, 1)
    good = np.where(np.isin(np.arange(4), true), 0.8, 0.1) + 0.05 * generator.random(4)
    noise = np.where(generator.random(4) < 0.3, np.nan, generator.random(4))
    return FusionExample(candidates(np.stack([good, noise], axis=1).tolist()), "no name", true, USES)


@pytest.fixture(scope="module")
def fusion() -> Fusion:
    generator = np.random.default_rng(0)
    return fit_fusion([example(generator) for _ in range(200)], WORDS, USES, CONFIG, seed=1)


def test_fusion_weights_the_reliable_channel_and_is_calibrated(fusion: Fusion) -> None:
    weighed = fusion.weigh(candidates([[0.85, 0.1], [0.1, 0.95], [0.12, np.nan], [0.11, 0.5]]), "no name")
    assert weighed.probabilities is not None
    assert weighed.probabilities.argmax() == 0
    assert weighed.probabilities[0] > 0.8
    assert weighed.probabilities[1:].max() < 0.2


def test_a_sample_of_the_wrong_candidates_leaves_the_probabilities_as_they_would_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(0)
    words, uses = NameWords([f"tag{row}" for row in range(40)]), np.ones((40, 2), np.float32)

    def of_forty() -> FusionExample:  # the score says nothing, so each is right once in forty
        return FusionExample(candidates(generator.random((40, 2)).tolist()), "no name", generator.choice(40, 1), uses)

    fitted_on: list[int] = []

    def counted(features: np.ndarray, *arguments: Any, **options: Any) -> Any:
        fitted_on.append(len(features))
        return fit_trees(features, *arguments, **options)

    monkeypatch.setattr("recall.fusion.fit_trees", counted)
    videos = [of_forty() for _ in range(400)]
    sampled = fit_fusion(videos, words, uses, CONFIG.model_copy(update={"wrong": 2000}), seed=1)
    assert fitted_on == [400 * (1 + 5)]
    found = [sampled.weigh(video.candidates, video.text).probabilities for video in videos[:100]]
    assert sum(float(np.sum(of_video)) for of_video in found if of_video is not None) == pytest.approx(100, rel=0.15)


@pytest.mark.parametrize(("enough", "leaves"), [(201, 2), (200, 4)])
def test_few_correct_candidates_get_small_trees(enough: int, leaves: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    config = CONFIG.model_copy(update={"enough": enough, "few_leaves": 2, "leaves": 4})
    scores = generator.random((200, 4, 2)).tolist()  # they say nothing, so trees grow as large as they may
    examples = [FusionExample(candidates(of_video), "no name", generator.choice(4, 1), USES) for of_video in scores]
    fit_fusion(examples, WORDS, USES, config, seed=1).save(tmp_path / "blend.txt")
    sizes = re.findall(r"^num_leaves=(\d+)$", (tmp_path / "blend.txt").read_text(), re.MULTILINE)
    assert max(map(int, sizes)) == leaves


def test_contributions_of_the_inputs_sum_to_the_log_odds(fusion: Fusion) -> None:
    proposed = candidates([[0.85, 0.1], [0.1, 0.95], [0.12, np.nan], [0.11, 0.5]])
    probabilities = fusion.weigh(proposed, "no name").probabilities
    assert probabilities is not None
    found = fusion.contributions(proposed, "no name", np.array([1, 0, 3]))
    assert set(found) == {"good", "noise", "use", "name in text", "base"}
    log_odds = sum(found.values())
    np.testing.assert_allclose(1 / (1 + np.exp(-log_odds)), probabilities[[1, 0, 3]], rtol=1e-5)
    assert found["good"][1] > 0 > found["good"][0]
    assert abs(found["good"][1]) > abs(found["noise"][1])
    assert all(values.shape == (0,) for values in fusion.contributions(proposed, "x", np.zeros(0, np.int64)).values())


def test_a_saved_fusion_gives_the_same_probabilities_after_loading(fusion: Fusion, tmp_path: Path) -> None:
    fusion.save(tmp_path / "blend.txt")
    loaded = Fusion.load(tmp_path / "blend.txt", WORDS, USES)
    proposed = candidates([[0.85, 0.1], [0.1, np.nan]])
    np.testing.assert_array_equal(loaded.weigh(proposed, "x").probabilities, fusion.weigh(proposed, "x").probabilities)


def test_the_same_seed_gives_the_same_trees(tmp_path: Path) -> None:
    for name in ("first", "second"):
        generator = np.random.default_rng(0)
        fit_fusion([example(generator) for _ in range(60)], WORDS, USES, CONFIG, seed=1).save(tmp_path / name)
    assert (tmp_path / "first").read_text() == (tmp_path / "second").read_text()


def test_candidates_of_other_channels_are_rejected(fusion: Fusion) -> None:
    with pytest.raises(ValueError, match=r"fitted on other channels: .*'other'"):
        fusion.weigh(candidates([[0.5, 0.5]], ("good", "other")), "x")


def test_an_empty_list_of_candidates_is_accepted(fusion: Fusion) -> None:
    none = Candidates(np.zeros(0, np.int64), ("good", "noise"), np.zeros((0, 2), np.float32))
    weighed = fusion.weigh(none, "x")
    assert weighed.probabilities is not None
    assert not len(weighed.probabilities)


def test_fitting_without_correct_candidates_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 of 1 candidates are right"):
        fit_fusion([FusionExample(candidates([[0.5, 0.5]]), "x", np.array([3]), USES)], WORDS, USES, CONFIG, seed=1)


@pytest.mark.parametrize("owners", [60, 3])
def test_cross_fitting_excludes_the_own_uploader(owners: int) -> None:
    """Inverting the labels of one uploader changes the probabilities of others, but not its own."""
    generator = np.random.default_rng(0)
    examples, groups = [example(generator) for _ in range(120)], np.arange(120) % owners
    changed = [
        replace(video, true=np.delete(np.arange(4), video.true)) if group == 0 else video
        for video, group in zip(examples, groups, strict=True)
    ]
    before, after = (cross_fitted_candidates(videos, groups, WORDS, CONFIG, seed=1) for videos in (examples, changed))
    differ = []
    for first, second in zip(before, after, strict=True):
        assert first.probabilities is not None
        assert second.probabilities is not None
        differ.append(not np.array_equal(first.probabilities, second.probabilities))
    assert not any(np.array(differ)[groups == 0])
    assert any(differ)


@pytest.mark.parametrize("small", [0, 1, 5])
def test_cross_fitting_works_if_one_uploader_has_most_videos(small: int) -> None:
    generator = np.random.default_rng(0)
    examples = [example(generator) for _ in range(60)]
    groups = np.where(np.arange(60) < small, np.arange(60) % 2, 7)
    for candidates, video in zip(cross_fitted_candidates(examples, groups, WORDS, CONFIG, 1), examples, strict=True):
        assert candidates.probabilities is not None
        assert candidates.probabilities.argmax() == video.true[0]


def test_each_example_is_described_by_the_uses_among_the_videos_that_its_channels_know() -> None:
    """A tag is right where few videos use it, and which those are differs between examples: scores say nothing."""
    generator = np.random.default_rng(0)

    def of_rare_tag(rare: int) -> FusionExample:
        uses = np.full((4, 2), 50, np.float32)
        uses[rare] = 1
        return FusionExample(candidates([[0.5, 0.5]] * 4), "no name", np.array([rare]), uses)

    examples = [of_rare_tag(int(generator.integers(4))) for _ in range(120)]
    used = np.array([[50, 50], [50, 50], [1, 1], [50, 50]], np.float32)
    weighed = fit_fusion(examples, WORDS, used, CONFIG, seed=1).weigh(candidates([[0.5, 0.5]] * 4), "no name")
    assert weighed.probabilities is not None
    assert weighed.probabilities.argmax() == 2
    assert weighed.probabilities[2] > 0.9
    cross_fitted = cross_fitted_candidates(examples, np.arange(120), WORDS, CONFIG, seed=1)
    best = [int(found.probabilities.argmax()) for found in cross_fitted if found.probabilities is not None]
    assert best == [int(example.true[0]) for example in examples]


def test_the_budget_keeps_the_most_probable_candidates_in_row_order() -> None:
    proposed = candidates([[0.1, 0.1], [0.9, 0.9], [0.3, 0.3], [0.7, 0.7]])
    proposed = Candidates(
        proposed.tag_rows, proposed.channels, proposed.scores, probabilities=np.array([0.1, 0.9, 0.3, 0.7], np.float32)
    )
    kept = top_candidates(proposed, 2)
    assert kept.tag_rows.tolist() == [1, 3]
    assert kept.scores[:, 0].tolist() == pytest.approx([0.9, 0.7])
    assert top_candidates(proposed, 4) is proposed


def test_uses_count_each_uploader_once() -> None:
    uses = uses_of(np.array([0, 0, 1, 0]), np.array([7, 7, 7, 8]), 3)
    assert uses.tolist() == [[2, 3], [1, 1], [0, 0]]
