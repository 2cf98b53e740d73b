"""Sparse matrices from the column numbers of each row."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse


def matrix(rows: Sequence[Sequence[int]], columns: int) -> sparse.csr_array:
    """True where a row names the column."""
    dense = np.zeros((len(rows), columns), np.bool_)
    for row, named in enumerate(rows):
        dense[row, list(named)] = True
    return sparse.csr_array(dense)
