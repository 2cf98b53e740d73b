"""A tiny random multilingual-e5 in the Q4_0 format, written field by field, and the numbers that it must mean."""

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, LAYERS, HEADS, INNER, WORDS, POSITIONS = 32, 2, 4, 64, 40, 24
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
PIECES = (*SPECIAL, "▁", "▁query", ":", "▁cat", "▁ca", "t", "s", "c", "a", "▁собака", "соба", "ка", "猫", "d", "o", "g")
SCORES = (0.0, 0.0, 0.0, 0.0, -3.0, -4.0, -2.5, -5.0, -4.5, -3.5, -3.2, -6.0, -5.5, -9.0, -8.0, -7.0, -10.0, -6, -6, -6)
REPLACEMENTS = {"\t": " ", "ﬁ": "fi", "\x01": "", "Ｃ": "c"}


@dataclass
class TinyE5:
    """The bytes of a file, and the float tensors that they stand for."""

    data: bytes
    tensors: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        path.write_bytes(self.data)
        return path


def tiny_e5(seed: int = 0, **changes: int) -> TinyE5:
    """Return a random model; changes: other values of `words` or `version` than those that fit."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, NDArray[np.float32]] = {}
    coded: dict[str, tuple[int, int, bytes]] = {}
    for name, shape in _shapes().items():
        if len(shape) == 2 and not name.startswith(("emb.pos", "emb.type")):
            tensors[name], data = _quantised(rng, *shape)
            coded[name] = (1, tensors[name].size, data)
        else:
            tensors[name] = rng.normal(1.0 if name.endswith("ln.w") else 0.0, 0.3, shape).astype(np.float32)
            coded[name] = (0, tensors[name].size, tensors[name].tobytes())
    words = changes.get("words", WORDS)
    head = b"E5S1" + struct.pack(
        "<I7ifi", changes.get("version", 1), WIDTH, LAYERS, HEADS, INNER, words, POSITIONS, 2, 1e-12, 32
    )
    head += _vocabulary() + struct.pack("<i", len(coded))
    begin = len(head) + sum(23 + len(name) for name in coded)
    listing, body = b"", b""
    for name, (kind, count, data) in coded.items():
        listing += struct.pack("<H", len(name)) + name.encode()
        listing += struct.pack("<BIQQ", kind, count, begin + len(body), len(data))
        body += data
    return TinyE5(head + listing + body, tensors)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (WORDS, WIDTH), "emb.pos": (POSITIONS, WIDTH), "emb.type": (2, WIDTH),
        "emb.ln.w": (WIDTH,), "emb.ln.b": (WIDTH,),
    }  # fmt: skip
    for layer in range(LAYERS):
        for part, rows, columns in (
            ("q", WIDTH, WIDTH), ("k", WIDTH, WIDTH), ("v", WIDTH, WIDTH), ("ao", WIDTH, WIDTH),
            ("fi", INNER, WIDTH), ("fo", WIDTH, INNER),
        ):  # fmt: skip
            shapes[f"l{layer}.{part}.w"], shapes[f"l{layer}.{part}.b"] = (rows, columns), (rows,)
        for part in ("aln", "oln"):
            shapes[f"l{layer}.{part}.w"] = shapes[f"l{layer}.{part}.b"] = (WIDTH,)
    return shapes


def _quantised(rng: np.random.Generator, rows: int, columns: int) -> tuple[NDArray[np.float32], bytes]:
    """Return a random matrix and its blocks: weight j in the low half of byte j, weight j + 16 in the high half."""
    matrix = np.empty((rows, columns), np.float32)
    data = b""
    for row in range(rows):
        for start in range(0, columns, 32):
            scale = np.float16(rng.uniform(0.02, 0.08))
            halves = rng.integers(0, 16, 32)
            data += scale.tobytes() + bytes(int(halves[j]) | int(halves[j + 16]) << 4 for j in range(16))
            matrix[row, start : start + 32] = [float(scale) * (int(half) - 8) for half in halves]
    return matrix, data


def _vocabulary() -> bytes:
    texts = [piece.encode() for piece in PIECES]
    ends = np.cumsum([0, *map(len, texts)]).astype("<u4").tobytes()
    data = struct.pack("<5iQ", len(texts), 0, 2, 1, 3, sum(map(len, texts)))
    data += ends + np.array(SCORES, "<f4").tobytes() + b"".join(texts)
    replaced = b"".join(
        struct.pack(f"<IB{len(new)}I", ord(old), len(new), *map(ord, new)) for old, new in REPLACEMENTS.items()
    )
    return data + struct.pack("<iI", len(REPLACEMENTS), len(replaced)) + replaced
