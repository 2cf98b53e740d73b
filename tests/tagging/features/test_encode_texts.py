"""Text rows through the feature store: each text is encoded once, also by a later training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.features.encode_texts import StoredTexts
from tagging.features.statistics import HashedTextEncoder
from tagging.progress import Silent
from tagging.store.features import FeatureStore


class Recording(HashedTextEncoder):
    """An encoder that records the texts that it encodes."""

    def __init__(self) -> None:
        super().__init__(16)
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        return super().encode(texts)


def test_each_text_is_encoded_once_and_read_back_in_the_order_asked_for(tmp_path: Path) -> None:
    encoder = Recording()
    names = ["ice hockey", "cats", "ice hockey", "東京"]
    rows = StoredTexts(encoder, FeatureStore(tmp_path), Silent()).encode(names)
    assert encoder.encoded == ["ice hockey", "cats", "東京"]
    want = np.concatenate([HashedTextEncoder(16).encode([name]) for name in names])
    np.testing.assert_array_equal(rows, want.astype(np.float16).astype(np.float32))

    later = StoredTexts(encoder, FeatureStore(tmp_path), Silent()).encode(["dogs", *names])
    assert encoder.encoded[3:] == ["dogs"]
    np.testing.assert_array_equal(later[1:], rows)


def test_no_texts_are_no_rows(tmp_path: Path) -> None:
    assert StoredTexts(Recording(), FeatureStore(tmp_path), Silent()).encode([]).shape == (0, 16)
