"""The classes that the two encoders are taught, and where their names lie in the text encoder's space.

`classes_vision.csv` and `classes_audio.csv` beside this file give each class of a teacher, and each label of the
pictures and sounds, its everyday name and more general words that are always true of it ("golden retriever": "dog",
"animal"). They were written for this project. `same` names the teacher's classes that mean what a label means;
`tag` says whether anybody would want the class as a tag (the starter bundle asks).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from tagging.features.base import TextEncoder


@dataclass(frozen=True, slots=True)
class Classes:
    names: tuple[str, ...]  # those of the teacher first, in its order
    words: tuple[tuple[str, ...], ...]
    rows: Mapping[str, int]  # of "teacher:CLASS", or of "SOURCE:LABEL"
    # Of "SOURCE:LABEL": its row, and the teacher's classes that mean the same.
    implied: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def vision_classes() -> Classes:
    return _read("classes_vision.csv")


def audio_classes() -> Classes:
    return _read("classes_audio.csv")


def anchors(classes: Classes, text: TextEncoder) -> NDArray[np.float32]:
    """(C, D) unit rows: each class's name. Names drawn towards their general words did worse in every table."""
    return text.encode(classes.names)


def _read(file: str) -> Classes:
    """Rows of one name that come from no teacher are one class."""
    names: list[str] = []
    words: list[tuple[str, ...]] = []
    rows: dict[str, int] = {}
    implied: dict[str, tuple[int, ...]] = {}
    by_name: dict[str, int] = {}
    text = (files(__package__) / file).read_text(encoding="utf-8")
    for line in csv.DictReader(text.splitlines()):
        row = len(names) if line["of"] == "teacher" else by_name.get(line["name"], len(names))
        general = _split(line["words"])
        if row == len(names):
            names.append(line["name"])
            words.append(general)
            by_name.setdefault(line["name"], row)
        key = f"{line['of']}:{line['key']}"
        rows[key] = row
        implied[key] = (row, *(rows[f"teacher:{other}"] for other in _split(line["same"])))
    return Classes(tuple(names), tuple(words), rows, implied)


def _split(field: str) -> tuple[str, ...]:
    return tuple(part for part in field.split(";") if part)
