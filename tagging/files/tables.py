"""Parquet tables read whole, and their columns of numbers, without pandas.

`pq.read_table` imports pyarrow's datasets, and `to_numpy` imports pandas, which takes a third of a second: long for the
tags of one title.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray


def read_table(path: Path) -> pa.Table:
    """Read a file. Raises OSError or pa.ArrowException for one that is missing, truncated or no parquet."""
    with pq.ParquetFile(path) as file:
        return file.read()


def numbers(column: pa.ChunkedArray | pa.Array) -> NDArray[Any]:
    """Return a column of numbers or bools (n,), in its own type. Raises ValueError for nulls and for other types."""
    if column.null_count:
        raise ValueError(f"{column.null_count} of {len(column)} numbers are missing")
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    rows = slice(values.offset, values.offset + len(values))
    data = values.buffers()[1] or b""  # none if the column is empty
    if pa.types.is_boolean(values.type):  # bits, eight per byte
        return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[rows].view(np.bool_)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise ValueError(f"values of type {values.type}, expected numbers")
    return np.frombuffer(data, values.type.to_pandas_dtype())[rows]
