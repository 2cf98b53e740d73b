"""Multilingual sentence embeddings of titles and descriptions (E5, Wang et al. 2024), from a file of 4-bit weights.

Of the 118 million weights, 96 million are word embeddings. These stay in 4-bit blocks, and only the rows that a batch
needs are dequantised; the layers are float32.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from tagging.bert import Bert
from tagging.errors import ArtifactMismatchError
from tagging.features.e5_file import E5File, Pieces, QuantisedTable, read_e5
from tagging.features.e5_tokens import E5Tokenizer
from tagging.features.packed_bert import text_means
from tagging.features.weights import fingerprint
from tagging.text.normalise import VERSION, plain

PROMPT = "query: "  # begins both texts of a pair in symmetric tasks, as the model was trained with it


class E5Texts:
    """The CPU part: texts to the numbers of their pieces."""

    def __init__(self, pieces: Pieces, dim: int, max_tokens: int, fingerprint: str) -> None:
        self._tokenizer = E5Tokenizer(pieces)
        self.dim = dim
        self.max_tokens = max_tokens
        self.fingerprint = fingerprint

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text, including prompt and special ones, before truncation."""
        return np.array([len(numbers) for numbers in self._whole(texts)], np.int64)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text's pieces, truncated to `max_tokens`."""
        return [_truncated(numbers, self.max_tokens) for numbers in self._whole(texts)]

    def _whole(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer.numbers([PROMPT + plain(text) for text in texts])


class E5Encoder:
    """A TextEncoder over the Q4_0 file of multilingual-e5-small.

    `max_tokens` is the smaller of the configured value and the number of positions of the model. Raises
    ArtifactMismatchError unless the file is complete.
    """

    def __init__(self, file: Path, max_tokens: int, batch_size: int, device: str = "cpu") -> None:
        stored = read_e5(file)
        try:
            self.words = _words_of(stored)
            self.bert = bert_of(stored).to(device)
        except (KeyError, RuntimeError, ValueError) as error:
            raise ArtifactMismatchError(f"{file} is no complete multilingual-e5: {error}") from error
        self.dim = stored.shape.width
        self.max_tokens = min(max_tokens, stored.shape.positions)
        self.fingerprint = fingerprint(
            "multilingual-e5",
            {"max_tokens": self.max_tokens, "normalisation": VERSION, "version": 1},
            {"weights": file},
        )
        self.texts = E5Texts(stored.pieces, self.dim, self.max_tokens, self.fingerprint)
        self.batch_size = batch_size
        self._device = device

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text, including prompt and special ones, before truncation."""
        return self.texts.token_counts(texts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """B texts -> (B, D) unit rows: means over the tokens. Texts of similar length share a batch. Thread-safe."""
        tokens = self.texts.tokens(texts)
        rows = np.empty((len(texts), self.dim), np.float32)
        order = np.argsort([len(numbers) for numbers in tokens], kind="stable")
        for start in range(0, len(texts), self.batch_size):
            batch = order[start : start + self.batch_size]
            rows[batch] = self._means([tokens[index] for index in batch])
        return rows

    @torch.inference_mode()
    def _means(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        words = torch.from_numpy(self.words.rows(np.fromiter(chain.from_iterable(tokens), np.int64)))
        means = text_means(self.bert, words.to(self._device), [len(numbers) for numbers in tokens])
        rows: NDArray[np.float32] = normalize(means, dim=1).cpu().numpy()
        return rows


def _words_of(stored: E5File) -> QuantisedTable:
    table = stored.tables["emb.word"]
    if len(table.blocks) != stored.shape.vocabulary:
        raise ValueError(f"emb.word has {len(table.blocks)} rows of {stored.shape.vocabulary}")
    return table


def bert_of(stored: E5File) -> Bert:
    """Return the network of a file, without its word embeddings.

    Raises KeyError for a missing tensor, RuntimeError for one of another shape.
    """
    with torch.random.fork_rng(devices=[]):  # the random initialisation; on the meta device it would take five seconds
        bert = Bert(replace(stored.shape, vocabulary=0))
    bert.load_state_dict(_state(stored), assign=True)
    return bert.eval().requires_grad_(False)


def _state(stored: E5File) -> dict[str, Tensor]:
    """Return the state dict of `Bert` from the names and tensors of a file."""
    shape = stored.shape
    floats = {name: torch.from_numpy(numbers.copy()) for name, numbers in stored.floats.items()}
    state = {
        "words.weight": torch.zeros(0, shape.width),
        # All tokens are of type 0.
        "positions.weight": floats["emb.pos"].reshape(-1, shape.width) + floats["emb.type"][: shape.width],
        "norm.weight": floats["emb.ln.w"],
        "norm.bias": floats["emb.ln.b"],
    }
    for layer in range(shape.layers):
        ours, theirs = f"layers.{layer}.", f"l{layer}."
        projections = [stored.tables[f"{theirs}{part}.w"].whole() for part in "qkv"]
        state[f"{ours}self_attn.in_proj_weight"] = _by_column(np.concatenate(projections))
        state[f"{ours}self_attn.in_proj_bias"] = torch.cat([floats[f"{theirs}{part}.b"] for part in "qkv"])
        for name, short in (("self_attn.out_proj", "ao"), ("linear1", "fi"), ("linear2", "fo")):
            state[f"{ours}{name}.weight"] = _by_column(stored.tables[f"{theirs}{short}.w"].whole())
            state[f"{ours}{name}.bias"] = floats[f"{theirs}{short}.b"]
        for name, short in (("norm1", "aln"), ("norm2", "oln")):
            state[f"{ours}{name}.weight"] = floats[f"{theirs}{short}.w"]
            state[f"{ours}{name}.bias"] = floats[f"{theirs}{short}.b"]
    return state


def _by_column(matrix: NDArray[np.float32]) -> Tensor:
    """Return a matrix column by column in memory: a title at a time then takes 0.87 of the time on a CPU."""
    return torch.from_numpy(matrix.T.copy()).T


def _truncated(numbers: list[int], limit: int) -> list[int]:
    return numbers if len(numbers) <= limit else [*numbers[: limit - 1], numbers[-1]]
