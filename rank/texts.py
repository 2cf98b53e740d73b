"""Text states: what the towers read of titles and tag names.

By default the rows of the text encoder, which recall has computed already; a BERT of the ranker's own (rank/bert.py) is
for trainings that adapt its upper layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rank.bert import TextTokenizer, encode_lower_layers
from tagging.bert import Bert
from tagging.ragged import Tokens, starts_of
from tagging.types import VideoEmbeddings


class RowEncoder(Protocol):
    """A text encoder, as recall has it."""

    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (B, D) unit rows."""


class TextStates(Protocol):
    """A reader of texts for the towers. Blank texts have no token."""

    def of_texts(self, texts: Sequence[str]) -> Tokens: ...

    def of_videos(self, videos: Sequence[VideoEmbeddings]) -> Tokens: ...


@dataclass(frozen=True, slots=True, eq=False)
class BertStates:
    """The output of a BERT's lower layers, which are not trained."""

    bert: Bert
    tokenizer: TextTokenizer
    layers: int

    def of_texts(self, texts: Sequence[str]) -> Tokens:
        rows = [row for row, text in enumerate(texts) if text.strip()]
        states = encode_lower_layers(self.bert, self.tokenizer, [texts[row] for row in rows], self.layers)
        lengths = np.zeros(len(texts), np.int64)
        lengths[rows] = np.diff(states.starts)
        return Tokens(starts_of(lengths), states.values)

    def of_videos(self, videos: Sequence[VideoEmbeddings]) -> Tokens:
        return self.of_texts([video.text for video in videos])


@dataclass(frozen=True, slots=True, eq=False)
class EncoderRows:
    """The row of the text encoder, one token per text."""

    encoder: RowEncoder

    def of_texts(self, texts: Sequence[str]) -> Tokens:
        rows = [row for row, text in enumerate(texts) if text.strip()]
        present = np.zeros(len(texts), np.int64)
        present[rows] = 1
        if not rows:
            return Tokens(starts_of(present), np.zeros((0, self.encoder.dim), np.float16))
        return Tokens(starts_of(present), self.encoder.encode([texts[row] for row in rows]).astype(np.float16))

    def of_videos(self, videos: Sequence[VideoEmbeddings]) -> Tokens:
        return view_rows(videos, "text", self.encoder.dim)


def view_rows(videos: Sequence[VideoEmbeddings], view: str, dim: int) -> Tokens:
    """Return the videos' rows (dim,) of a view, one token per video that has it."""
    rows = [video.rows.get(view) for video in videos]
    return Tokens.of([None if row is None else row[None] for row in rows], dim)
