"""Compatibility of a CUDA build of torchvision with a CPU build of torch.

The wheels of torchvision on PyPI are linked to CUDA. With a CPU build of torch their operators do not load, and the
import fails while it registers two of them (`operator torchvision::nms does not exist`); open_clip, timm and
sentence_transformers fail as well. The operators are not needed here, so declaring the two is enough: the transforms
work, and calling an operator still fails.
"""

import importlib
import importlib.util
import sys
from typing import Any

from tagging.features.environment import environment_left_alone

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[Any] = []  # a torch.library.Library removes its operators when it is garbage collected


def repair_torchvision() -> None:
    """Import torchvision, declaring its missing operators if the import fails on them.

    Call this before the first import of sentence_transformers or open_clip. It does nothing if torchvision is not
    installed or already imported, or if its import succeeds; any other failure of the import is raised unchanged.
    """
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    with environment_left_alone():
        try:
            importlib.import_module("torchvision")
        except RuntimeError as error:
            if "operator torchvision::nms does not exist" not in str(error) or _declared:
                raise
            _declare_operators()
            importlib.import_module("torchvision")


def _declare_operators() -> None:
    from torch.library import Library

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # partially imported: the next import must start over
    library: Any = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)
    _declared.append(library)
