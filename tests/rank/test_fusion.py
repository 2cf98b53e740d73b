import numpy as np
import pytest

from rank.base import every
from rank.fusion import NoisyOrRanker
from rank.select import select
from tagging.config.rank import NoisyOrConfig
from tagging.config.root import SelectConfig
from tagging.types import Candidates, ModalityFeatures, RankInput, TagScores, VideoEmbeddings, VideoRef

NAN = float("nan")


def candidates(scores: list[list[float]]) -> Candidates:
    return Candidates(np.arange(len(scores)), ("text", "video", "audio"), np.array(scores, np.float32).reshape(-1, 3))


def confidences(scores: list[list[float]], config: NoisyOrConfig) -> list[float]:
    given = RankInput(VideoRef("v"), ModalityFeatures(), VideoEmbeddings({}), candidates(scores))
    [result] = NoisyOrRanker(config).score([given], [every])
    return [float(c) for c in result.confidences]


def test_confidence_is_one_minus_the_chance_that_every_channel_errs() -> None:
    got = confidences(
        [[0.5, 0.4, NAN], [NAN, NAN, 0.2]], NoisyOrConfig(text_weight=1, video_weight=0.5, audio_weight=0.25)
    )
    assert got == pytest.approx([1 - 0.5 * 0.8, 0.05], rel=1e-5)


def test_a_channel_that_agrees_never_lowers_the_confidence() -> None:
    alone, together = confidences([[0.6, NAN, NAN], [0.6, 0.1, 0.01]], NoisyOrConfig())
    assert alone < together <= 1


def test_channels_that_read_the_same_words_are_pooled_before_the_others_agree() -> None:
    scores = np.array(
        [[0.8, 0.2, 0.5], [NAN, 0.3, NAN], [0.6, NAN, NAN], [0.6, 0.01, NAN], [NAN, NAN, 0.4]], np.float32
    )
    given = Candidates(np.arange(5), ("written", "extracted", "seen"), scores)
    [result] = NoisyOrRanker(NoisyOrConfig()).score(
        [RankInput(VideoRef("v"), ModalityFeatures(), VideoEmbeddings({}), given)], [every]
    )
    # odds of 4 and 1/4 pool to 1; odds of 3/2 and 1/9 to the root of 1/6
    not_extracted = (1 / 6) ** 0.5
    want = [1 - 0.5 * 0.5, 0.3, *[not_extracted / (1 + not_extracted)] * 2, 0.4]
    assert result.confidences.tolist() == pytest.approx(want, rel=1e-5)


def test_written_names_count_fully_where_nothing_is_extracted() -> None:
    given = Candidates(np.arange(1), ("written", "seen"), np.array([[0.6, NAN]], np.float32))
    [result] = NoisyOrRanker(NoisyOrConfig()).score(
        [RankInput(VideoRef("v"), ModalityFeatures(), VideoEmbeddings({}), given)], [every]
    )
    assert result.confidences.tolist() == pytest.approx([0.6], rel=1e-5)


def test_contributions_share_the_log_odds_by_evidence_and_sum_to_them() -> None:
    scores = np.array([[0.8, 0.2, 0.5], [NAN, NAN, 0.4], [0.0, NAN, NAN], [1.0, 1.0, 1.0]], np.float32)
    given = Candidates(np.arange(4), ("written", "extracted", "seen"), scores)
    [result] = NoisyOrRanker(NoisyOrConfig(written_weight=1, extracted_weight=1, seen_weight=1)).score(
        [RankInput(VideoRef("v"), ModalityFeatures(), VideoEmbeddings({}), given)], [every]
    )
    parts = result.contributions
    assert set(parts) == {"base", "written+extracted", "seen"}
    clipped = np.clip(result.confidences.astype(np.float64), 1e-6, 1 - 1e-6)
    np.testing.assert_allclose(sum(parts.values()), np.log(clipped / (1 - clipped)), rtol=1e-5)
    # Both causes of the first have the probability 1/2, so they share equally; the second has one cause.
    assert parts["seen"][0] == pytest.approx(parts["written+extracted"][0], rel=1e-4)
    assert parts["written+extracted"][1] == 0
    assert all((values >= 0).all() for name, values in parts.items() if name != "base")


def test_no_candidates_give_no_scores() -> None:
    assert confidences([], NoisyOrConfig()) == []


def test_selection_is_by_confidence_within_the_limits_and_ties_go_to_the_commoner_tag() -> None:
    given = candidates([[0.1] * 3] * 5)
    scores = TagScores(np.array([0.3, 0.9, 0.3, 0.01, 0.9], np.float32))
    assert select(given, scores, (), SelectConfig(max_tags=3, min_confidence=0.05)).tolist() == [1, 4, 0]
    assert select(given, scores, (), SelectConfig(max_tags=10, min_confidence=0.05)).tolist() == [1, 4, 0, 2]
    assert select(given, scores, (), SelectConfig(max_tags=10, min_confidence=0.95)).tolist() == []


def test_scores_of_other_candidates_are_refused() -> None:
    with pytest.raises(ValueError, match="2 candidates"):
        select(candidates([[0.1] * 3] * 2), TagScores(np.zeros(3, np.float32)), (), SelectConfig())
