import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from tagging.files.trees import read_trees, write_trees


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = np.random.default_rng(0).normal(size=(500, 3))
    data = lightgbm.Dataset(rows, (rows[:, 0] > 0).astype(np.float32))
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, num_boost_round=5)
    write_trees(booster, tmp_path / "trees.txt")
    np.testing.assert_array_equal(read_trees(tmp_path / "trees.txt").predict(rows), booster.predict(rows))
    return tmp_path / "trees.txt"


def test_trees_truncated_at_any_byte_are_refused(path: Path) -> None:
    """In a process of its own, because the library may abort the process that reads them."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tagging.files.trees import read_trees\n"
        "path = Path(sys.argv[1])\n"
        "whole = path.read_bytes()\n"
        "for kept in {*range(0, len(whole), 97), *range(len(whole) - 60, len(whole))}:\n"
        "    path.write_bytes(whole[:kept])\n"
        "    try:\n"
        "        read_trees(path)\n"
        "    except ValueError as error:\n"
        "        assert path.name in str(error)\n"
        "    else:\n"
        "        sys.exit(f'{kept} bytes were read')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("content", [b"", b"junk", b"tree\n" * 100 + b"\npandas_categorical:null\n"])
def test_a_file_that_does_not_hold_trees_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"trees\.txt"):
        read_trees(path)
