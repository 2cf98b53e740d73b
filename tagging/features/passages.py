"""Embedding of passages: one vector for everything that is said, or stands on the screen, by the text encoder."""

from collections.abc import Sequence

from tagging.features.base import TextEncoder, mean_pool
from tagging.types import FloatRows, Passage


def passages_row(passages: Sequence[Passage], text: TextEncoder) -> FloatRows:
    """Return the unit row (D,) of at least one passage.

    Passages that follow each other are joined to texts as long as the encoder reads, and the row is the mean of their
    rows, so that nothing of a long talk is cut off but the end of a passage longer than that.
    """
    return mean_pool(text.encode(joined(passages, text)))


def joined(passages: Sequence[Passage], text: TextEncoder) -> list[str]:
    """Return the passages' texts in order, joined by spaces as long as the tokens fit into the encoder's limit."""
    texts = [passage.text for passage in passages]
    groups: list[list[str]] = []
    used = 0
    for part, tokens in zip(texts, text.token_counts(texts).tolist(), strict=True):
        if not groups or used + tokens > text.max_tokens:  # special tokens are counted with every passage: a margin
            groups.append([])
            used = 0
        groups[-1].append(part)
        used += tokens
    return [" ".join(group) for group in groups]
