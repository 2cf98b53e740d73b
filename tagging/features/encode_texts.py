"""Text rows in the feature store: each text is encoded once."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagging.features.base import TextEncoder
from tagging.features.encode import cut_text_warning
from tagging.progress import Progress
from tagging.store.features import FeatureStore, FeatureTable, StoredFeatures

TEXTS_AT_ONCE = 4096  # sorted by length before they are batched, so more at once pads less


def encode_texts(
    texts: Sequence[str], encoder: TextEncoder, store: FeatureStore, progress: Progress
) -> tuple[FeatureTable, list[str]]:
    """Store the rows that the text table lacks; return the table, and the key in it of each text, "" for no text."""
    keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else "" for text in texts]
    table = store.table("text", encoder.fingerprint, encoder.dim)
    by_key = {key: text for key, text in zip(keys, texts, strict=True) if key and key not in table}
    missing = list(by_key.items())
    with progress.track("encode text", len(missing)) as advance:
        try:
            for start in range(0, len(missing), TEXTS_AT_ONCE):
                chunk = missing[start : start + TEXTS_AT_ONCE]
                chunk_texts = [text for _, text in chunk]
                counts = encoder.token_counts(chunk_texts)
                for (key, _), row, count in zip(chunk, encoder.encode(chunk_texts), counts, strict=True):
                    cut = cut_text_warning(int(count), encoder.max_tokens)
                    table.add(key, StoredFeatures(row[None].astype(np.float16), cut))
                advance(len(chunk))
        finally:
            table.flush()
    return table, keys


class StoredTexts:
    """A TextEncoder through the feature store, for the names of tags: the next training finds them encoded.

    Rows are rounded to half precision, as the store keeps them. One call reads the store once, so pass all texts to it.
    """

    def __init__(self, encoder: TextEncoder, store: FeatureStore, progress: Progress) -> None:
        self.dim = encoder.dim
        self.fingerprint = encoder.fingerprint
        self.max_tokens = encoder.max_tokens
        self._encoder = encoder
        self._store = store
        self._progress = progress

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return self._encoder.token_counts(texts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """B texts, none of them empty -> (B, D) rows."""
        rows = np.empty((len(texts), self.dim), np.float32)
        if not len(texts):
            return rows
        table, keys = encode_texts(texts, self._encoder, self._store, self._progress)
        positions: dict[str, list[int]] = {}
        for position, key in enumerate(keys):
            positions.setdefault(key, []).append(position)
        for key, stored in table.read(keys):
            rows[positions[key]] = stored.tokens
        return rows
