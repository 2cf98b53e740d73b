import os
from pathlib import Path

import pytest
import torch

from tagging.files.tensors import read_tensors, write_tensors


def test_written_tensors_are_read_with_their_metadata(tmp_path: Path) -> None:
    rows = torch.arange(6.0).reshape(2, 3)
    write_tensors(tmp_path / "x.safetensors", {"rows": rows, "columns": rows.T}, {"made": "here"})
    tensors, about = read_tensors(tmp_path / "x.safetensors")
    assert torch.equal(tensors["rows"], rows)
    assert torch.equal(tensors["columns"], rows.T)
    assert about == {"made": "here"}


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_the_file_is_for_whom_new_files_are(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_tensors(tmp_path / "x.safetensors", {"rows": torch.zeros(3)})
    finally:
        os.umask(before)
    assert (tmp_path / "x.safetensors").stat().st_mode & 0o777 == mode
