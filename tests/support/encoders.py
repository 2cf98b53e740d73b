"""Inputs of encoders, and tiny checkpoints in the layout of the Hugging Face hub cache."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tagging.types import Sound

TINY_CLIP: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def put_in_hub_cache(cache: Path, name: str, folder: Path) -> None:
    """Copy a folder into the cache as a download of OWNER/NAME would."""
    repository = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)


def noise(seconds: float, seed: int = 0) -> Sound:
    rng = np.random.default_rng(seed)
    return Sound(rng.uniform(-0.5, 0.5, round(seconds * 16_000)).astype(np.float32))
