import numpy as np
import pytest

from tagging.topics.assignment import assign, calibrate
from tagging.topics.representation import join, similarities

GENERATOR = np.random.default_rng(3)
CONTENT, TAGS = (GENERATOR.standard_normal((400, 4)).astype(np.float32) for _ in range(2))
NO_MEANS = np.zeros(8, np.float32)
CENTRES = GENERATOR.standard_normal((40, 8)).astype(np.float32)
CENTRES /= np.linalg.norm(CENTRES, axis=1, keepdims=True)


def test_videos_have_four_topics_on_average_whatever_halves_they_have() -> None:
    rows = join(CONTENT, TAGS, NO_MEANS)
    thresholds = calibrate(rows, CENTRES, 4.0, np.random.default_rng(1))
    for part in (rows, rows.without(0), rows.without(1)):
        found = assign(part, CENTRES, thresholds)
        assert len(found.topics.values) / 400 == pytest.approx(4.0, abs=0.01)


def test_the_topics_of_a_video_are_all_that_reach_the_threshold_best_first() -> None:
    rows = join(CONTENT, TAGS, NO_MEANS)
    thresholds = {"content+tags": 0.5, "content": 0.6, "tags": 0.7}
    found = assign(rows, CENTRES, thresholds)
    cosines = similarities(rows, CENTRES)
    for video in range(len(rows)):
        want = sorted((topic for topic in range(40) if cosines[video, topic] >= 0.5), key=lambda t: -cosines[video, t])
        assert [topic for topic, _ in found.at(video)] == want
        np.testing.assert_allclose([value for _, value in found.at(video)], cosines[video, want])


def test_a_video_may_have_no_topic() -> None:
    content, tags = CONTENT.copy(), TAGS.copy()
    content[0] = tags[0] = 0
    high = {"content+tags": 0.999, "content": 0.0, "tags": 0.0}
    found = assign(join(content, tags, np.zeros(8, np.float32)), CENTRES, high)
    assert found.at(0) == []  # nothing is known of it
    assert found.at(1) == []  # it is near no centre


def test_a_pool_whose_videos_have_one_half_each_is_calibrated_on_them() -> None:
    content, tags = CONTENT.copy(), TAGS.copy()
    content[::2], tags[1::2] = 0, 0
    rows = join(content, tags, np.zeros(8, np.float32))
    found = assign(rows, CENTRES, calibrate(rows, CENTRES, 4.0, np.random.default_rng(1)))
    assert len(found.topics.values) / 400 == pytest.approx(4.0, abs=0.05)


def test_videos_of_one_half_are_calibrated_on_their_like_where_there_are_enough() -> None:
    content, tags = CONTENT.copy(), TAGS.copy()
    tags[:250] = 0
    content[:250] += 3  # untagged videos are of another kind
    rows = join(content, tags, NO_MEANS)
    found = assign(rows, CENTRES, calibrate(rows, CENTRES, 4.0, np.random.default_rng(1)))
    assert found.topics.starts[250] / 250 == pytest.approx(4.0, abs=0.05)


def test_of_few_topics_a_video_has_a_quarter_at_most() -> None:
    rows = join(CONTENT, TAGS, NO_MEANS)
    found = assign(rows, CENTRES[:8], calibrate(rows, CENTRES[:8], 4.0, np.random.default_rng(1)))
    assert len(found.topics.values) / 400 == pytest.approx(2.0, abs=0.01)
