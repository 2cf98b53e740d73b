"""TF-IDF features of words and characters for the similarity of titles (scikit-learn)."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from tagging.errors import InvalidManifestError
from tagging.progress import Progress
from tagging.tools.benchmarks.labels import Sparse

KINDS = (("word", (1, 2)), ("char_wb", (2, 4)))


def tfidf(train: Sequence[str], tests: Sequence[str], progress: Progress) -> tuple[Sparse, Sparse]:
    """Return (V, F) and (Q, F) rows: unit word 1-2-grams next to unit character 2-4-grams; products are in [0, 2].

    Fitted on the training texts only. Grams of a single training text are kept, as a test text may share them. Raises
    InvalidManifestError if no text has a word.
    """
    blocks: list[tuple[Sparse, Sparse]] = []
    with progress.track("TF-IDF", len(KINDS)) as advance:
        for analyzer, lengths in KINDS:
            vectorizer = TfidfVectorizer(analyzer=analyzer, ngram_range=lengths, sublinear_tf=True, dtype=np.float32)
            try:
                fitted = vectorizer.fit_transform(train)
            except ValueError as error:
                raise InvalidManifestError(f"the training titles cannot be used: {error}") from error
            blocks.append((fitted, vectorizer.transform(tests)))
            advance(1)
    stack = sparse.hstack
    return stack([rows for rows, _ in blocks], format="csr"), stack([rows for _, rows in blocks], format="csr")
