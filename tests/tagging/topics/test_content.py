import numpy as np
import pytest

from tagging.topics.content import ContentRows, dims_of
from tagging.types import VideoEmbeddings

VIDEOS = [
    VideoEmbeddings({"text": np.array([0.6, 0.8], np.float32)}),
    VideoEmbeddings({}),
    VideoEmbeddings({"text": np.array([1, 0], np.float32), "frames": np.array([0, 0, 1], np.float32)}),
]


def test_rows_come_with_a_mask_of_what_is_missing() -> None:
    content = ContentRows.of(VIDEOS, dims_of(VIDEOS))
    assert list(content.values) == ["text", "frames"]
    assert content.present.tolist() == [[True, False], [False, False], [True, True]]
    assert content.known.tolist() == [True, False, True]
    np.testing.assert_array_equal(content.values["frames"][2], [0, 0, 1])
    assert content.only(np.array([2, 0])).present.tolist() == [[True, True], [True, False]]


def test_videos_without_any_modality_have_no_rows() -> None:
    content = ContentRows.of([VIDEOS[1]], dims_of([VIDEOS[1]]))
    assert content.present.shape == (1, 0)
    assert not content.known.any()


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="text embedding of shape"):
        ContentRows.of(VIDEOS, {"text": 5})


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="mask"):
        ContentRows({"text": np.zeros((2, 3), np.float32)}, np.zeros((3, 1), np.bool_))
