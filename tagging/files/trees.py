"""LightGBM's trees, as text.

The library believes what the text says of its own length: one that is cut short ends the process.
"""

from pathlib import Path

import lightgbm

END = "\npandas_categorical:"  # begins the last line


def write_trees(booster: lightgbm.Booster, path: Path) -> None:
    path.write_text(booster.model_to_string(), encoding="utf-8")


def read_trees(path: Path) -> lightgbm.Booster:
    """Raises OSError, or ValueError where it is no such text, or not all of it."""
    text = path.read_text(encoding="utf-8")
    if not (END in text and text.rpartition(END)[2].endswith("\n")):
        raise ValueError(f"{path.name} is cut short")
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:  # a class that is nobody's child
        raise ValueError(f"{path.name} cannot be read: {error}") from error
