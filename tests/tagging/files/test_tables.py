"""Parquet tables and their columns of numbers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.files.tables import numbers, read_table

BOOLS = [bool(number % 3) for number in range(21)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, 3], pa.int64()),
        pa.array([0.5, -1.5], pa.float32()),
        pa.array(BOOLS),
        pa.array([], pa.int32()),
        pa.array([], pa.bool_()),
        pa.array(range(9), pa.uint16())[2:7],
        pa.array(BOOLS)[3:19],
        pa.chunked_array([[1, 2], [3]]),
        pa.chunked_array([BOOLS, BOOLS[1:]]),
        pa.chunked_array([], pa.int64()),
    ],
)
def test_numbers_are_those_of_the_column(column: pa.ChunkedArray | pa.Array) -> None:
    found = numbers(column)
    assert found.tolist() == column.to_pylist()
    assert found.dtype == column.type.to_pandas_dtype()


@pytest.mark.parametrize("column", [pa.array([1, None]), pa.array(["a"]), pa.array([[1]])])
def test_other_columns_are_rejected(column: pa.Array) -> None:
    with pytest.raises(ValueError, match=r"missing|expected numbers"):
        numbers(column)


def test_a_table_is_read_whole(tmp_path: Path) -> None:
    table = pa.table({"a": np.arange(1_000), "b": [f"row {row}" for row in range(1_000)]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=300)
    assert read_table(tmp_path / "t.parquet").equals(table)


def test_a_truncated_table_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": np.arange(1_000)}), tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-20])
    with pytest.raises((OSError, pa.ArrowException)):
        read_table(tmp_path / "t.parquet")


def test_pandas_is_not_imported(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": [True]}), tmp_path / "t.parquet")
    code = (
        "import sys\nfrom pathlib import Path\nfrom tagging.files.tables import numbers, read_table\n"
        "table = read_table(Path(sys.argv[1]))\nnumbers(table['a']), numbers(table['b'])\n"
        "print(sorted({'pandas', 'pyarrow.dataset'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "t.parquet")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
