"""Tensors of a safetensors file, in memory.

The library's own way is to map the file. Who then cuts it short, as a copy over it does, ends this process with SIGBUS,
at once or at the first use of a page that nobody has touched. What was read stays, whatever becomes of the file.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

LENGTH_BYTES = 8  # of the header's, at the start of a file


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """The tensors by name, and what stands beside them. Raises OSError, or ValueError for a file that is none, or torn.

    While it is read, the file is in memory twice.
    """
    data = path.read_bytes()
    try:
        tensors = load(data)
    except SafetensorError as error:  # a class that is nobody's child
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    return tensors, json.loads(data[LENGTH_BYTES : LENGTH_BYTES + length]).get("__metadata__", {})
