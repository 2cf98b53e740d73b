"""Damaged bytes, drawn from a seed: files of media, and messages."""

from collections.abc import Sequence

import numpy as np

ALARMING = np.array([0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], np.uint32)


def mutant(healthy: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """One of them, damaged in one to four places."""
    data = bytearray(healthy[int(rng.integers(len(healthy)))])
    for _ in range(rng.integers(1, 5)):
        # Half of the damage is in the head, where sizes, counts and codecs stand.
        at = int(rng.integers(max(1, min(len(data), 1024) if rng.random() < 0.5 else len(data))))
        length = int(rng.integers(1, 200))
        match rng.integers(7):
            case 0:  # single bits
                for place in rng.integers(0, len(data), 8).tolist():
                    data[place] ^= 1 << int(rng.integers(8))
            case 1:  # a size or count that is not true, in either order of bytes
                number = int(rng.choice(ALARMING)).to_bytes(4, "big" if rng.random() < 0.5 else "little")
                data[at : at + 4] = number
            case 2:  # noise
                data[at : at + length] = rng.bytes(length)
            case 3:  # a hole
                del data[at : at + length]
            case 4:  # the end is gone
                del data[max(16, at) :]
            case 5:  # a stretch comes twice
                data[at:at] = data[at : at + length]
            case _:  # a stretch of another file, perhaps of another kind
                other = healthy[int(rng.integers(len(healthy)))]
                start = int(rng.integers(len(other)))
                data[at : at + length] = other[start : start + length]
        if not data:
            break
    return bytes(data)
