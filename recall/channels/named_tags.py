"""Tag names as text channels read them: a lexicon of the spellings, and the vectors of the names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recall.channels.lexicon import Lexicon
from tagging.types import FloatRows, Indices


@dataclass(frozen=True, slots=True, eq=False)
class NamedTags:
    """n tags with their names; `Lexicon` matches refer to them by position."""

    vectors: FloatRows  # (n, D) unit rows of their names by the text encoder
    tag_rows: Indices  # (n,) their catalog rows
    lexicon: Lexicon
    is_proper: FloatRows  # (n,) 1: the catalog writes the name with a capital letter

    @classmethod
    def of(cls, vectors: FloatRows, tag_rows: Indices, spellings: Sequence[Sequence[str]]) -> "NamedTags":
        """Index the names; spellings: n, name and aliases of each. Raises ValueError for unequal lengths."""
        if not len(vectors) == len(tag_rows) == len(spellings):
            raise ValueError(f"names {vectors.shape} of {len(tag_rows)} tags, spellings of {len(spellings)}")
        is_proper = np.array([any(map(str.isupper, forms[0])) for forms in spellings], np.float32)
        return cls(vectors, tag_rows, Lexicon(spellings), is_proper)
