"""A linear head on the features of EfficientNet-Lite2, for everyday words that ImageNet's classes lack.

People, places, games and sports in play are what videos show most and what ImageNet does not name. `frame_words.csv`
gives each word its more general words; the weights were fitted by `tagging.tools.distillation` on thumbnails of videos.
"""

import csv
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor

from tagging.errors import ArtifactMismatchError
from tagging.files.tensors import read_tensors

FILE = Path(__file__).parents[1] / "models" / "frame_words" / "model.safetensors"


def read_classes(table: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the name and the general words of each class of a table in this package, in its order.

    A CSV with the columns name, words (joined by semicolons) and tag (yes or no: whether the name is useful as a tag).
    """
    text = (files(__package__) / table).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    words = tuple(tuple(word for word in row["words"].split(";") if word) for row in rows)
    return tuple(row["name"] for row in rows), words


class FrameWords:
    """The words, each with an independent probability."""

    def __init__(self, file: Path, features: int) -> None:
        """features: width of the tokens. Raises ArtifactMismatchError for a file of other words or another width."""
        self.names, self.words = read_classes("frame_words.csv")
        try:
            tensors, _ = read_tensors(file)
            self._weight, self._bias = tensors["weight"].float(), tensors["bias"].float()
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactMismatchError(f"{file} holds no weights of frame words: {error}") from error
        if self._weight.shape != (len(self.names), features) or self._bias.shape != (len(self.names),):
            raise ArtifactMismatchError(
                f"{file} has weights {tuple(self._weight.shape)}, the table {len(self.names)} words"
            )

    def probabilities(self, tokens: Tensor) -> Tensor:
        """(T, features) -> (T, words)."""
        return torch.sigmoid(tokens @ self._weight.T + self._bias)
