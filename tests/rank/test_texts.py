"""Text states: rows of the text encoder as the towers read them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rank.texts import EncoderRows, view_rows
from tagging.types import VideoEmbeddings


class Letters:
    """A text encoder whose rows are the letters' counts, of unit length."""

    dim = 26

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        return np.stack([row_of(text) for text in texts])


def row_of(text: str) -> NDArray[np.float32]:
    counts = np.array([text.count(chr(ord("a") + letter)) for letter in range(26)], np.float32)
    return counts / np.float32(np.linalg.norm(counts))


def test_each_text_is_one_token_and_blank_ones_have_none() -> None:
    states = EncoderRows(Letters()).of_texts(["", "cat", " \n", "dog", "cat"])
    assert np.diff(states.starts).tolist() == [0, 1, 0, 1, 1]
    expected = np.stack([row_of(text) for text in ("cat", "dog", "cat")])
    np.testing.assert_allclose(states.values, expected, atol=1e-3)
    assert len(EncoderRows(Letters()).of_texts([])) == 0
    assert EncoderRows(Letters()).of_texts([" "]).dim == 26


def test_videos_are_read_by_their_stored_rows_without_encoding_them_again() -> None:
    letters = Letters()
    videos = [
        VideoEmbeddings({"text": row_of("cat"), "speech": row_of("dog")}, title="other words"),
        VideoEmbeddings({}, title=""),
    ]
    states = EncoderRows(letters).of_videos(videos)
    assert np.diff(states.starts).tolist() == [1, 0]
    np.testing.assert_allclose(states.values, row_of("cat")[None], atol=1e-3)
    spoken = view_rows(videos, "speech", 26)
    assert np.diff(spoken.starts).tolist() == [1, 0]
    np.testing.assert_allclose(spoken.values, row_of("dog")[None], atol=1e-3)
    assert letters.encoded == []
