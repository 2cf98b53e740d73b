import numpy as np
import pytest

from tagging.config.recall import DeepWalkConfig
from tagging.progress import Silent
from tagging.ragged import Ragged
from tagging.topics import tag_vectors as module
from tagging.topics.tag_vectors import fit_tag_vectors, mean_tag_vectors

VECTORS = np.array([[1, 0], [0, 1], [0.6, 0.8], [0, 0]], np.float32)  # the last tag has no vector
TAGS = Ragged.of([[0, 1, 2], [2], [], [3], [0, 3]])


@pytest.mark.parametrize("videos_at_once", [2, 100])
def test_a_video_is_the_mean_of_its_tags_as_in_equation_four(
    videos_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VIDEOS_AT_ONCE", videos_at_once)
    got = mean_tag_vectors(VECTORS, TAGS)
    for video in range(len(TAGS)):
        known = [VECTORS[tag] for tag in TAGS.at(video) if VECTORS[tag].any()]
        want = sum(known) / len(known) if known else np.zeros(2)
        np.testing.assert_allclose(got[video], want, atol=1e-6)


def test_predicted_tags_count_with_their_confidence() -> None:
    confidences = np.array([0.9, 0.3, 0.2, 0.5, 0.7, 0.4, 0.8])
    got = mean_tag_vectors(VECTORS, TAGS, confidences)
    np.testing.assert_allclose(got[0], (0.9 * VECTORS[0] + 0.3 * VECTORS[1] + 0.2 * VECTORS[2]) / 1.4, atol=1e-6)
    np.testing.assert_allclose(got[4], VECTORS[0], atol=1e-6)


def test_tags_of_confidence_zero_are_no_tags() -> None:
    assert not mean_tag_vectors(VECTORS, Ragged.of([[0]]), np.array([0.0])).any()


def test_confidences_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="confidences"):
        mean_tag_vectors(VECTORS, TAGS, np.ones(2))


def test_tags_that_are_used_together_are_near_each_other() -> None:
    lists = [[0, 1, 2], [0, 1], [1, 2], [3, 4, 5], [3, 4], [4, 5]] * 10 + [[6]]
    config = DeepWalkConfig(weight="videos", dim=8, walks=20, length=20)
    owners = np.arange(len(lists))
    vectors = fit_tag_vectors(Ragged.of(lists), 7, owners, config, np.random.default_rng(1), Silent())
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[4]
    assert vectors[5] @ vectors[3] > vectors[5] @ vectors[2]
    assert not vectors[6].any()  # on no video with another
