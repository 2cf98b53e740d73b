"""A graph of near rows (HNSW, Malkov & Yashunin 2016): how it is built and searched, whoever does it.

recall/README.md has what other numbers gave.
"""

LINKS = 32  # of a row on each level
BUILD_BEAM = 100  # rows kept in sight while a row is linked


def beam(k: int) -> int:
    """Rows kept in sight while k are searched; a beam no wider than k loses the farther of them."""
    return max(128, 2 * k)
