"""Tensors of a safetensors file, written and read as a whole.

The library's own reading maps the file. If it is then truncated, as by a copy over it, this process ends with SIGBUS,
at once or at the first use of an untouched page. Tensors that were read stay valid, whatever happens to the file.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

LENGTH_BYTES = 8  # of the header's, at the start of a file


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Write tensors by name, and the metadata, to a new file with the permissions of any other file.

    The library lets only its owner read the file, but a service is often run by another user than training.
    """
    path.touch()
    mode = path.stat().st_mode
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, about)
    path.chmod(mode)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """Read the tensors by name, and the metadata. Raises OSError, or ValueError for another or a truncated file.

    While it is read, the file is in memory twice.
    """
    data = path.read_bytes()
    try:
        tensors = load(data)
    except SafetensorError as error:  # SafetensorError derives directly from Exception
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    return tensors, json.loads(data[LENGTH_BYTES : LENGTH_BYTES + length]).get("__metadata__", {})
