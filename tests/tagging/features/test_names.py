from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.features.names import Linker

VECTORS = {"beagle": 0, "dog": 10, "puppy": 20, "car": 90, "Dogs": 80}  # degrees on a circle; their cosines are known


class Compass:
    dim, fingerprint, max_tokens = 2, "compass", 8

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return np.ones(len(texts), np.int64)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        angles = np.radians([VECTORS[text] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32).reshape(-1, 2)


def weights(words: list[tuple[str, ...]], tags: list[str], allowed: list[bool]) -> dict[tuple[str, int], float]:
    links = Linker(words, Compass(), min_cosine=0.9).link(tags, Compass().encode(tags), np.array(allowed))
    assert links.classes == len(words)
    pairs = zip(links.tag_rows.tolist(), links.class_rows.tolist(), strict=True)
    return {(tags[tag], row): float(w) for (tag, row), w in zip(pairs, links.weights, strict=True)}


def test_a_class_supports_its_name_its_hypernyms_and_synonyms() -> None:
    got = weights([("beagle", "dog"), ("car",)], ["dog", "puppy", "car"], [True] * 3)
    puppy = (np.cos(np.radians(10)) - 0.9) / 0.1  # the nearest of the class's words is "dog"
    assert got == pytest.approx({("dog", 0): 1.0, ("puppy", 0): puppy, ("car", 1): 1.0}, abs=1e-5)


def test_a_tag_that_is_spelt_like_a_word_means_that_word_whatever_its_embedding() -> None:
    assert weights([("beagle", "dog"), ("car",)], ["Dogs"], [True]) == {("Dogs", 0): 1.0}


def test_an_excluded_tag_is_supported_by_no_class() -> None:
    assert weights([("dog",)], ["dog", "puppy"], [False, True]).keys() == {("puppy", 0)}


def test_a_class_without_a_similar_tag_supports_none() -> None:
    assert weights([("car",)], ["dog"], [True]) == {}


def test_a_stored_vector_of_a_word_is_used_instead_of_the_encoder() -> None:
    stored = {"hound": Compass().encode(["dog"])[0]}  # the encoder does not know the word
    names = ["puppy"]
    links = Linker([("Hound",)], Compass(), 0.9, stored).link(names, Compass().encode(names), np.ones(1, np.bool_))
    assert links.weights == pytest.approx([(np.cos(np.radians(10)) - 0.9) / 0.1], abs=1e-5)
