"""Topics of videos: planted ones are found, and nothing is learnt from videos that are held out."""

import numpy as np
import pytest

from tagging.errors import NothingToLearnError
from tagging.ragged import Ragged
from tagging.recommendation.items import TAGS, WORDS, Items
from tagging.recommendation.recurrent.topics import video_topics


def items(tags: list[list[int]], words: list[list[int]]) -> Items:
    return Items({TAGS: Ragged.of(tags), WORDS: Ragged.of(words)}, {}, np.ones((len(tags), 2), np.bool_))


def planted(held_out: int) -> Items:
    """Return 60 videos of three topics, and one that mixes terms: the last; the last but one has none."""
    generator = np.random.default_rng(1)
    groups = np.arange(60) % 3
    tags = [sorted(set(generator.integers(0, 4, 3) + 4 * group)) for group in groups] + [[], [held_out]]
    words = [sorted(set(generator.integers(0, 5, 3) + 5 * group)) for group in groups] + [[], [held_out]]
    return items(tags, words)


def topics(videos: Items, seed: int = 2) -> np.ndarray:
    return video_topics(videos, np.arange(61), 3, np.random.default_rng(seed))


def test_videos_of_one_subject_have_one_topic() -> None:
    found = topics(planted(0))
    strongest = found[:60].argmax(axis=1)
    assert len({strongest[group] for group in range(3)}) == 3
    assert (strongest == np.tile(strongest[:3], 20)).mean() > 0.95
    np.testing.assert_allclose(found.sum(axis=1), [1] * 60 + [0, 1], atol=1e-5)


def test_held_out_videos_teach_no_topic_but_have_some() -> None:
    found, other = topics(planted(0)), topics(planted(7))
    np.testing.assert_array_equal(found[:61], other[:61])
    assert found[61].argmax() == found[0].argmax()
    assert other[61].argmax() == other[1].argmax()


def test_videos_without_terms_teach_nothing() -> None:
    with pytest.raises(NothingToLearnError, match="none of 2 videos has a tag or a word"):
        video_topics(items([[], []], [[], []]), np.arange(2), 3, np.random.default_rng(1))
