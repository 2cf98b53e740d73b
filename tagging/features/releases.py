"""Release metadata of open_clip and torchvggish, read without importing them.

Importing either imports torch and takes seconds. Their tables are plain assignments in source files; these are parsed
instead, so that missing weights are reported as soon as the program starts.
"""

import ast
import copy
import importlib.util
import os
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tagging.errors import InvalidConfigError, MissingPackageError

CLIP_CONFIG = "open_clip_config.json"
CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # in open_clip's own order


def open_clip_tag(model: str, tag: str) -> dict[str, Any]:
    """Return open_clip's entry for a pretrained tag (hub file and pre-processing), empty if there is none."""
    table: dict[str, Any] = {name: getattr(typing, name) for name in ("Dict", "Iterable", "Optional", "Union")}
    table["copy"] = copy
    for file in ("constants.py", "pretrained.py"):
        body = [n for n in _source("open_clip", file).body if not isinstance(n, ast.Import | ast.ImportFrom | ast.Try)]
        exec(compile(ast.Module(body, []), file, "exec"), table)
    return dict(table["get_pretrained_cfg"](model.replace("/", "-"), tag))


def hub_candidates(tag: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the repository and file names, best first, of a tag's entry: its `hf_hub` is OWNER/NAME/ or
    OWNER/NAME/FILE.
    """
    repository, _, file = str(tag["hf_hub"]).rpartition("/")
    return repository, (str(Path(file).with_suffix(".safetensors")), file) if file else CLIP_WEIGHTS


def vggish_url() -> str:
    """Return the download URL of the torchvggish release."""
    for node in _source("torchvggish", "torchvggish.py").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VGGISH_WEIGHTS":
            return str(ast.literal_eval(node.value))
    raise InvalidConfigError("the installed torchvggish names no release weights", "give a path instead")


def vggish_release() -> Path:
    """Return the path of that download in torch.hub's cache (its get_dir), without importing torch."""
    if torch := sys.modules.get("torch"):
        hub = Path(torch.hub.get_dir())
    else:
        cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        hub = Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub"
    return hub / "checkpoints" / vggish_url().rpartition("/")[2]


def _source(package: str, file: str) -> ast.Module:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingPackageError(f"the package {package} is not installed", f"pip install {package}")
    return ast.parse(Path(spec.origin).with_name(file).read_text(encoding="utf-8"))
