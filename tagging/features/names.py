"""Class-to-tag links: the tags of a catalog that the classes of an encoder mean.

A class is linked to the tags whose meaning is that of its name or of one of its general words: "beagle" to "beagle",
"dog" and "animal". A tag that is spelt like one of these words means that word. Other tags are compared by text
embeddings, so the catalog need not use the spellings of the encoder.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tagging.features.base import ClassPredictor, TextEncoder
from tagging.text.english import singular
from tagging.text.normalise import normalise
from tagging.text.words import split_words
from tagging.types import ClassTags

ROWS_AT_ONCE = 4096


def name_vectors(names: Sequence[str], text: TextEncoder) -> NDArray[np.float32]:
    """Encode N names to (N, D_text) unit rows, in lower case like the names of classes."""
    return text.encode([normalise(name) for name in names])


def class_words(encoder: ClassPredictor) -> list[tuple[str, ...]]:
    """Return each class's name and its more general words."""
    return [(name, *words) for name, words in zip(encoder.class_names, encoder.class_words, strict=True)]


def word_vectors(
    words: Iterable[str], text: TextEncoder, stored: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Return the unit row (D_text,) of each word by its normal form, encoding those that are not stored.

    stored: rows of the same encoder, likewise
    """
    forms = dict.fromkeys(map(normalise, words))
    unread = [form for form in forms if form not in stored]
    encoded = dict(zip(unread, name_vectors(unread, text), strict=True)) if unread else {}
    return {form: stored[form] if form in stored else encoded[form] for form in forms}


class Linker:
    """The classes of one encoder, with the embeddings of their words."""

    def __init__(
        self,
        words: Sequence[Sequence[str]],
        text: TextEncoder,
        min_cosine: float,
        stored: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
    ) -> None:
        """words: of each class; min_cosine: the cosine from which a tag and a word of another spelling mean the same;
        stored: as in `word_vectors`
        """
        vocabulary = {
            word: index for index, word in enumerate(dict.fromkeys(w for of_class in words for w in of_class))
        }
        self._classes = len(words)
        self._min_cosine = min_cosine
        rows = word_vectors(vocabulary, text, stored)
        self._word_vectors = np.stack([rows[normalise(word)] for word in vocabulary])
        self._classes_of: Mapping[int, list[int]] = {index: [] for index in vocabulary.values()}
        for row, of_class in enumerate(words):
            for word in dict.fromkeys(of_class):
                self._classes_of[vocabulary[word]].append(row)
        self._spelt: dict[str, list[int]] = {}
        for word, index in vocabulary.items():
            self._spelt.setdefault(_spelling(word), []).extend(self._classes_of[index])

    def link(self, names: Sequence[str], vectors: NDArray[np.float32], allowed: NDArray[np.bool_]) -> ClassTags:
        """Link classes to N tags by their names.

        vectors: (N, D_text) unit rows of the names; allowed: (N,) True for tags that may be linked.
        A tag that is spelt like a word of a class, in singular or plural, is linked with weight 1, and to no class
        without that word. The weight of other links rises from 0 at `min_cosine` to 1 at 1, for the word of the class
        closest to the tag.
        """
        spelt = {
            tag: rows for tag in np.flatnonzero(allowed).tolist() if (rows := self._spelt.get(_spelling(names[tag])))
        }
        weights = {(tag, row): 1.0 for tag, rows in spelt.items() for row in rows}
        allowed = allowed.copy()
        allowed[list(spelt)] = False
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            agreement = vectors[start : start + ROWS_AT_ONCE] @ self._word_vectors.T
            agreement = (agreement - self._min_cosine) / max(1.0 - self._min_cosine, 1e-6)
            agreement[~allowed[start : start + ROWS_AT_ONCE]] = 0.0
            for tag, index in np.argwhere(agreement > 0).tolist():
                weight = min(float(agreement[tag, index]), 1.0)
                for row in self._classes_of[index]:
                    pair = (start + tag, row)
                    weights[pair] = max(weights.get(pair, 0.0), weight)
        pairs = sorted(weights)
        return ClassTags(
            tag_rows=np.array([tag for tag, _ in pairs], np.int64),
            class_rows=np.array([row for _, row in pairs], np.int64),
            weights=np.array([weights[pair] for pair in pairs], np.float32),
            classes=self._classes,
        )


def _spelling(name: str) -> str:
    return " ".join(map(singular, split_words(name)))
