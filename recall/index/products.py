"""Maximum inner product search as nearest-neighbour search of unit rows.

A row x no longer than L becomes (x / L, √(1 - |x|² / L²)), a query q becomes (q / |q|, 0). Their product is
x · q / (L |q|), so the order is that of x · q (Bachrach et al. 2014, "Speeding up the Xbox recommender system").
"""

import numpy as np

from tagging.types import FloatRows

MULTIPLE = 8  # the width is padded with zeros to a multiple: product quantisation splits rows into parts of this width


def unit_rows(rows: FloatRows, longest: float) -> FloatRows:
    """Lift (n, D) rows, none longer than `longest`, to (n, W) unit rows. Raises ValueError for a longer row."""
    lengths = np.square(rows / longest).sum(axis=1)
    if (lengths > 1 + 1e-3).any():  # beyond the rounding error of half precision
        raise ValueError(f"a row of length {longest * np.sqrt(lengths.max()):.3f}, expected at most {longest:.3f}")
    lifted = _filled(rows / longest)
    lifted[:, rows.shape[1]] = np.sqrt(np.maximum(1 - lengths, 0))
    return lifted


def unit_queries(queries: FloatRows) -> FloatRows:
    """Lift (n, D) non-zero queries to (n, W) unit rows."""
    return _filled(queries / np.linalg.norm(queries, axis=1, keepdims=True))


def _filled(rows: FloatRows) -> FloatRows:
    width = -(-(rows.shape[1] + 1) // MULTIPLE) * MULTIPLE
    filled = np.zeros((len(rows), width), np.float32)
    filled[:, : rows.shape[1]] = rows
    return filled
