"""Classes that the two encoders are trained on, and the text embeddings of their names.

`classes_vision.csv` and `classes_audio.csv` in this folder give each class of a teacher, and each label of the pictures
and sounds, its everyday name and more general words that always apply to it ("golden retriever": "dog", "animal"). They
were written for this project. `same` lists the teacher's classes with the meaning of a label; `tag` states whether the
class is useful as a tag (used by the starter bundle).
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
    names: tuple[str, ...]  # classes of the teacher first, in its order
    words: tuple[tuple[str, ...], ...]
    rows: Mapping[str, int]  # by "teacher:CLASS" or "SOURCE:LABEL"
    # By "SOURCE:LABEL": its row, and the rows of the teacher's classes with the same meaning.
    implied: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def vision_classes() -> Classes:
    return _read("classes_vision.csv")


def audio_classes() -> Classes:
    return _read("classes_audio.csv")


def anchors(classes: Classes, text: TextEncoder) -> NDArray[np.float32]:
    """Return (C, D) unit rows, the embedded class names.

    Embeddings moved towards those of the general words did worse in every table.
    """
    return text.encode(classes.names)


def _read(file: str) -> Classes:
    """Read the table. Rows with the same name that are not from a teacher form one class."""
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
