"""Title embeddings of the offline text encoder, cached in the feature store.

Keys and table are those of `videotag train`, so both reuse each other's embeddings.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagging.config.profiles import load_config
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.types import LabelledVideo


def embed_titles(videos: Sequence[LabelledVideo], store: FeatureStore, progress: Progress) -> NDArray[np.float32]:
    """Return (V, D) unit rows, zeros for a video without text."""
    config = load_config("offline")
    encoders = load_encoders(config.encoders.model_copy(update={"vision": None, "audio": None}))
    assert encoders.text is not None
    extraction = extract([video.video for video in videos], encoders, config.media, store, progress)
    rows = np.zeros((len(videos), encoders.text.dim), np.float32)
    for row, embeddings in enumerate(extraction.embeddings):
        if "text" in embeddings.rows:
            rows[row] = embeddings.rows["text"]
    return rows
