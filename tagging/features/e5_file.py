"""Q4_0 model file of multilingual-e5-small (Wang et al. 2024): reading it as data.

The file is little-endian and has no padding before the tensors:

    "E5S1", u32 version (1)
    i32 × 7     hidden width, layers, heads, feed-forward width, word embeddings, positions, token types
    f32, i32    epsilon of the layer norms; weights of a block (32)
    i32 × 5     pieces P of the tokenizer; numbers of <s>, </s>, <pad> and <unk>
    u64         bytes of the piece texts
    u32 × P+1, f32 × P, UTF-8     ends of the pieces within their texts, scores (log probabilities), texts
    i32, u32    characters of the normalisation map, its bytes; for each: u32 character, u8 n, u32 × n replacements
    i32         tensors; for each: u16 and name, u8 kind (0: float32, 1: Q4_0), u32 numbers, u64 offset, u64 bytes

A Q4_0 block is a float16 scale d and 16 bytes for 32 weights: the low half of byte j is weight j, the high half weight
j + 16, and a half h stands for d · (h - 8).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.bert import EPSILON, BertShape
from tagging.errors import ArtifactMismatchError

MAGIC, VERSION = b"E5S1", 1
BLOCK = 32  # weights that share a scale
BLOCK_TYPE = np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK // 2)])
FLOAT, Q4_0 = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Vocabulary of a unigram tokenizer (Kudo 2018)."""

    texts: tuple[str, ...]  # P, by number
    scores: NDArray[np.float32]  # (P,) log probabilities
    start: int  # numbers of the special pieces
    end: int
    pad: int
    unknown: int
    replacements: Mapping[int, str]  # character -> what is read instead, before the pieces are found


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedTable:
    """A matrix of 4-bit blocks, which are dequantised row by row."""

    blocks: NDArray[np.void]  # (rows, width / 32) of BLOCK_TYPE

    def rows(self, numbers: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the (n, width) dequantised rows of the numbers (n,)."""
        blocks = self.blocks[numbers]
        weights = _halves(blocks).astype(np.float32)
        weights *= blocks["scale"].astype(np.float32)[..., None]
        return weights.reshape(len(numbers), -1)

    def integers(self) -> NDArray[np.int8]:
        """Return the matrix (rows, width) before its weights are multiplied by the scales of their blocks."""
        return _halves(self.blocks).reshape(len(self.blocks), -1)

    def whole(self) -> NDArray[np.float32]:
        """Return the dequantised matrix."""
        return self.rows(np.arange(len(self.blocks)))


def _halves(blocks: NDArray[np.void]) -> NDArray[np.int8]:
    """Return the 32 weights of each block, in [-8, 7]."""
    halves = blocks["halves"]
    return np.concatenate([halves & 15, halves >> 4], axis=-1).astype(np.int8) - np.int8(8)


@dataclass(frozen=True, slots=True, eq=False)
class E5File:
    shape: BertShape  # its vocabulary: the rows of the word embeddings, at least as many as there are pieces
    pieces: Pieces
    floats: Mapping[str, NDArray[np.float32]]  # name -> the numbers of a tensor, flat
    tables: Mapping[str, QuantisedTable]


def read_e5(path: Path) -> E5File:
    """Read the file into memory; its 4-bit blocks stay as they are.

    Raises ArtifactMismatchError for a truncated file, or one of another kind.
    """
    try:
        reader = _Reader(path.read_bytes())
        if (magic := reader.raw(4)) != MAGIC:
            raise ValueError(f"it begins with {magic!r}")
        if (version := reader.one("I")) != VERSION:
            raise ValueError(f"version {version}")
        width, layers, heads, inner, words, positions, _, epsilon, block = reader.several("7ifi")
        shape = BertShape(words, positions, width, heads, inner, layers)
        if block != BLOCK or width % BLOCK or inner % BLOCK or width % heads or abs(epsilon - EPSILON) > 1e-15:
            raise ValueError(f"{shape}, epsilon {epsilon}, blocks of {block}")
        pieces = _pieces(reader)
        if len(pieces.texts) > words:
            raise ValueError(f"{len(pieces.texts)} pieces, {words} word embeddings")
        floats, tables = _tensors(reader, shape)
    except (OSError, ValueError, ArithmeticError, struct.error) as error:
        raise ArtifactMismatchError(f"{path} is no Q4_0 file of multilingual-e5: {error}") from error
    return E5File(shape, pieces, floats, tables)


class _Reader:
    """A cursor over the bytes; reading beyond the end is an error."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._at = 0

    def raw(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self.data):
            raise ValueError("it is truncated")
        self._at += count
        return self.data[self._at - count : self._at]

    def several(self, form: str) -> tuple[int, ...]:
        return struct.unpack(f"<{form}", self.raw(struct.calcsize(f"<{form}")))

    def one(self, form: str) -> int:
        return self.several(form)[0]

    def array(self, kind: str, count: int) -> NDArray[np.generic]:
        return np.frombuffer(self.raw(count * np.dtype(kind).itemsize), kind)


def _pieces(reader: _Reader) -> Pieces:
    count, start, end, pad, unknown = reader.several("5i")
    size = reader.one("Q")
    if not all(0 <= special < count for special in (start, end, pad, unknown)):
        raise ValueError(f"special pieces {start}, {end}, {pad}, {unknown} of {count}")
    ends = reader.array("<u4", count + 1).tolist()
    scores = reader.array("<f4", count).astype(np.float32)
    texts = reader.raw(size)
    if ends[0] or ends[-1] != size or ends != sorted(ends):
        raise ValueError("its pieces do not follow each other")
    spelled = tuple(texts[first:last].decode() for first, last in pairwise(ends))
    characters, _ = reader.several("iI")
    replacements = {}
    for _ in range(characters):
        char, length = reader.several("IB")
        replacements[char] = "".join(map(chr, reader.several(f"{length}I")))
    return Pieces(spelled, scores, start, end, pad, unknown, replacements)


def _tensors(reader: _Reader, shape: BertShape) -> tuple[dict[str, NDArray[np.float32]], dict[str, QuantisedTable]]:
    floats, tables = {}, {}
    for _ in range(reader.one("i")):
        name = reader.raw(reader.one("H")).decode()
        kind, count, offset, size = reader.several("BIQQ")
        if offset + size > len(reader.data):
            raise ValueError(f"it is truncated: {name} ends beyond it")
        if kind == FLOAT and size == 4 * count:
            floats[name] = np.frombuffer(reader.data, "<f4", count, offset)
        elif kind == Q4_0 and size * BLOCK == BLOCK_TYPE.itemsize * count:
            width = shape.inner if name.endswith("fo.w") else shape.width
            blocks = np.frombuffer(reader.data, BLOCK_TYPE, count // BLOCK, offset)
            tables[name] = QuantisedTable(blocks.reshape(-1, width // BLOCK))
        else:
            raise ValueError(f"{name} has {count} numbers in {size} bytes of kind {kind}")
    return floats, tables
