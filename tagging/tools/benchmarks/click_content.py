"""Content of videos by modality for the click model: words of tags, words of titles, and titles by the text encoder.

Words are a truncated singular value decomposition of TF-IDF rows (Deerwester et al. 1990, latent semantic analysis).
Rows are standardised over the videos that have the modality.
"""

from collections.abc import Sequence

import numpy as np

from recall.model import dense_rows
from tagging.errors import InvalidManifestError
from tagging.recommendation.tables import Catalog
from tagging.types import FloatRows

TAGS, WORDS, TEXT = "tags", "words", "text"
WIDTH = 64  # of the rows of words
LEAST = 1e-6  # deviation; that of a component without any variance is 0


def content_rows(catalog: Catalog) -> dict[str, FloatRows]:
    """Return rows (V, dim) of each modality; zeros for a video that lacks it.

    Raises InvalidManifestError if titles or tags have too few words.
    """
    width = next((len(found.rows[TEXT]) for found in catalog.embeddings if TEXT in found.rows), 0)
    rows = {
        TAGS: word_rows([" ".join(video.tags) for video in catalog.videos]),
        WORDS: word_rows([video.video.text for video in catalog.videos]),
        TEXT: dense_rows(catalog.embeddings, TEXT, width),
    }
    return {name: standardised(values) for name, values in rows.items()}


def word_rows(texts: Sequence[str]) -> FloatRows:
    """Return rows (V, WIDTH) of texts by their words, fewer columns for fewer words; zeros for a text without any.

    A word is in two texts or more. Raises InvalidManifestError for fewer than two words.
    """
    from sklearn.decomposition import TruncatedSVD  # takes seconds to import
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        counts = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(texts)
        width = min(WIDTH, counts.shape[1])
        return np.asarray(TruncatedSVD(width, random_state=0).fit_transform(counts), np.float32)
    except ValueError as error:  # scikit-learn's for no word, and for one
        raise InvalidManifestError(
            "fewer than two words are in the titles, or in the tags, of two videos", "give more videos"
        ) from error


def standardised(rows: FloatRows) -> FloatRows:
    """Return rows with mean 0 and deviation 1 over those that are present."""
    present = rows.any(axis=1)
    found = np.zeros_like(rows)
    found[present] = (rows[present] - rows[present].mean(axis=0)) / np.maximum(rows[present].std(axis=0), LEAST)
    return found
