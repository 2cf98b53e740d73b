import numpy as np
import pytest

from tagging.topics import representation as module
from tagging.topics.representation import TopicRows, centred_unit_rows, join, pool_means, similarities

CONTENT = np.array([[3, 4], [0.1, 0], [0, 0], [0, 0]], np.float32)
TAGS = np.array([[0, 5, 0], [0, 0, 0], [1, 1, 1], [0, 0, 0]], np.float32)
NO_MEANS = np.zeros(5, np.float32)
CENTRES = np.array([[0.6, 0.2, 0.1, 0.5, 0.3], [0, 0, 0.5, 0.5, 0.7], [-0.9, 0.1, 0.2, 0, 0]], np.float32)


@pytest.mark.parametrize("videos_at_once", [3, 100])
def test_each_half_has_unit_length_so_that_both_contribute_the_same(
    videos_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VIDEOS_AT_ONCE", videos_at_once)
    rows = join(CONTENT, TAGS, NO_MEANS)
    np.testing.assert_allclose(rows.values[0], [0.6, 0.8, 0, 1, 0], atol=1e-6)
    assert rows.present.tolist() == [[True, True], [True, False], [False, True], [False, False]]
    assert rows.complete.tolist() == [True, False, False, False]
    assert rows.known.tolist() == [True, True, True, False]


def test_similarities_are_cosines_over_the_halves_that_a_video_has() -> None:
    rows = join(CONTENT, TAGS, NO_MEANS)
    got = similarities(rows, CENTRES)
    columns = {0: [0, 1, 2, 3, 4], 1: [0, 1], 2: [2, 3, 4]}
    for video, used in columns.items():
        for topic, centre in enumerate(CENTRES):
            a, c = rows.values[video][used], centre[used]
            length = np.linalg.norm(a) * np.linalg.norm(c)
            want = a @ c / length if length else 0.0
            assert got[video, topic] == pytest.approx(want, abs=1e-6)
    assert not got[3].any()


def test_what_all_videos_share_is_subtracted_from_those_that_have_it() -> None:
    content = np.array([[3, 4], [5, 0], [0, 0]], np.float32)
    tags = np.array([[0, 2, 0], [0, 0, 0], [0, 2, 0]], np.float32)
    means = pool_means(content, tags)
    np.testing.assert_allclose(means, [4, 2, 0, 2, 0])
    rows = join(content, tags, means)
    np.testing.assert_allclose(rows.values[0, :2], np.array([-1, 2]) / np.sqrt(5), atol=1e-6)
    # The only tags that there are tell nothing: as good as missing.
    assert rows.present.tolist() == [[True, False], [True, False], [False, False]]


@pytest.mark.parametrize("videos_at_once", [2, 100])
def test_rows_are_centred_by_those_that_are_known(videos_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VIDEOS_AT_ONCE", videos_at_once)
    rows = np.random.default_rng(1).standard_normal((7, 3)).astype(np.float32)
    rows[[1, 6]] = 0
    known = [row for row in rows.astype(np.float64) if row.any()]
    want = [row - np.mean(known, axis=0) if row.any() else row for row in rows]
    want = [row / np.linalg.norm(row) if row.any() else row for row in want]
    np.testing.assert_allclose(centred_unit_rows(rows), want, atol=1e-6)
    assert not centred_unit_rows(np.zeros((2, 3), np.float32)).any()


def test_a_half_can_be_masked() -> None:
    rows = join(CONTENT, TAGS, NO_MEANS)
    np.testing.assert_allclose(rows.without(1).values[0], [0.6, 0.8, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(rows.without(0).values[0], [0, 0, 0, 1, 0], atol=1e-6)
    assert rows.without(0).present[0].tolist() == [False, True]
    assert rows.present[0].all()  # the original is unchanged


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="mask"):
        TopicRows(np.zeros((2, 4), np.float32), np.zeros((3, 2), np.bool_), 2)
