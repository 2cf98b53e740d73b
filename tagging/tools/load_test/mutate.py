"""Mutation of valid media files and messages, drawn from a seed, for fuzzing."""

from collections.abc import Sequence

import numpy as np

ALARMING = np.array([0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], np.uint32)


def mutant(healthy: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Return a copy of one of the inputs, damaged in one to four places."""
    data = bytearray(healthy[int(rng.integers(len(healthy)))])
    for _ in range(rng.integers(1, 5)):
        # Half of the damage is in the first KiB, which holds sizes, counts and codecs.
        offset = int(rng.integers(max(1, min(len(data), 1024) if rng.random() < 0.5 else len(data))))
        length = int(rng.integers(1, 200))
        match rng.integers(7):
            case 0:  # single bits
                for index in rng.integers(0, len(data), 8).tolist():
                    data[index] ^= 1 << int(rng.integers(8))
            case 1:  # a wrong size or count, in either byte order
                number = int(rng.choice(ALARMING)).to_bytes(4, "big" if rng.random() < 0.5 else "little")
                data[offset : offset + 4] = number
            case 2:  # noise
                data[offset : offset + length] = rng.bytes(length)
            case 3:  # missing bytes
                del data[offset : offset + length]
            case 4:  # a truncated file
                del data[max(16, offset) :]
            case 5:  # a repeated range
                data[offset:offset] = data[offset : offset + length]
            case _:  # a range of another file, perhaps of another format
                other = healthy[int(rng.integers(len(healthy)))]
                start = int(rng.integers(len(other)))
                data[offset : offset + length] = other[start : start + length]
        if not data:
            break
    return bytes(data)
