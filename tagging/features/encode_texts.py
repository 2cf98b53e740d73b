"""Text rows in the feature store: each text is encoded once."""

import hashlib
from collections.abc import Sequence

import numpy as np

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
