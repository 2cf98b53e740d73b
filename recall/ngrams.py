"""N-gram features of a text: words, pairs of words and pieces of words, weighted by TF-IDF.

Titles are short, in every script, and full of names that no pre-trained encoder has read. Pieces (2 to 5 characters,
not across spaces) serve Thai and Chinese, which are written without spaces, and every spelling variant. scikit-learn
counts; the fitted vocabulary is stored as columns of a parquet file, so that a bundle holds nothing to unpickle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from tagging.config.recall import NgramConfig
from tagging.text.normalise import normalise
from tagging.text.words import split_words
from tagging.types import FloatRows

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

KINDS: dict[str, dict[str, Any]] = {
    "words": {
        "analyzer": "word",
        "lowercase": False,
        "tokenizer": split_words,
        "token_pattern": None,
        "ngram_range": (1, 2),
    },
    "pieces": {"analyzer": "char_wb", "preprocessor": normalise, "ngram_range": (2, 5)},
}


@dataclass(frozen=True, slots=True, eq=False)
class NgramRow:
    """The TF-IDF row of one text: the weights of its n known n-grams."""

    columns: NDArray[np.integer]  # (n,) rising
    weights: FloatRows  # (n,)

    @classmethod
    def at(cls, rows: sparse.csr_matrix, row: int) -> "NgramRow":
        """Return a row of a matrix, without a copy."""
        part = slice(rows.indptr[row], rows.indptr[row + 1])
        return cls(rows.indices[part], rows.data[part])

    def matrix(self, width: int) -> sparse.csr_matrix:
        """Return the row as a matrix (1, width)."""
        return sparse.csr_matrix((self.weights, self.columns, [0, len(self.columns)]), shape=(1, width))


class NgramFeatures:
    """Vectoriser of texts to sparse rows; each kind of n-gram fills half of the row's squared length."""

    def __init__(self, idf: dict[str, dict[str, float]]) -> None:
        """idf: by kind and n-gram, in the order of the columns"""
        self._idf = idf
        self._vectorizers = [_vectorizer(kind, known) for kind, known in idf.items() if known]
        self.width = sum(map(len, idf.values()))

    @classmethod
    def fit(cls, texts: Sequence[str], config: NgramConfig) -> "NgramFeatures":
        """Fit vocabulary and idf on texts; a kind without a frequent enough n-gram stays empty."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        idf: dict[str, dict[str, float]] = {}
        for kind, options in KINDS.items():
            at_most = config.at_most if kind == "pieces" else None
            counter = TfidfVectorizer(min_df=config.least, max_features=at_most, sublinear_tf=True, **options)
            try:
                counter.fit(texts)
            except ValueError:  # no n-gram of this kind is frequent enough
                idf[kind] = {}
                continue
            idf[kind] = dict(zip(counter.get_feature_names_out().tolist(), counter.idf_.tolist(), strict=True))
        return cls(idf)

    @classmethod
    def none(cls) -> "NgramFeatures":
        """Return features without n-grams."""
        return cls({kind: {} for kind in KINDS})

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return unit rows (n, width), float32; the row of a text without known n-grams is empty."""
        if not self._vectorizers or not texts:
            return sparse.csr_matrix((len(texts), self.width), dtype=np.float32)
        rows = sparse.hstack(
            [vectorizer.transform(texts) for vectorizer in self._vectorizers], format="csr", dtype=np.float32
        )
        norms = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        rows.data /= np.repeat(np.maximum(norms, 1e-12), np.diff(rows.indptr)).astype(np.float32)
        return rows

    def save(self, path: Path) -> None:
        columns = [(kind, text, idf) for kind, known in self._idf.items() for text, idf in known.items()]
        kinds, texts, idf = zip(*columns, strict=True) if columns else ((), (), ())
        table = pa.table(
            {
                "kind": pa.array(kinds, pa.string()),
                "ngram": pa.array(texts, pa.string()),
                "idf": pa.array(idf, pa.float64()),
            }
        )
        pq.write_table(table, path)

    @classmethod
    def load(cls, path: Path) -> "NgramFeatures":
        table = pq.read_table(path)
        idf: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
        for kind, text, value in zip(*(table[name].to_pylist() for name in ("kind", "ngram", "idf")), strict=True):
            idf[kind][text] = value
        return cls(idf)


def _vectorizer(kind: str, idf: dict[str, float]) -> "TfidfVectorizer":
    from sklearn.feature_extraction.text import TfidfVectorizer  # takes seconds, and only a trained bundle needs it

    vectorizer = TfidfVectorizer(vocabulary=list(idf), sublinear_tf=True, dtype=np.float32, **KINDS[kind])
    weights: NDArray[np.float64] = np.array(list(idf.values()))
    vectorizer.idf_ = weights
    return vectorizer
