"""Sources of composite clips: labelled pictures, labelled sounds, and talks with the tags found in their text.

Test clips use only the holdout of the distillation, i.e. pictures and sounds that the package's encoders were not
trained on. Talks are divided by a hash of their title.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.text.english import singular
from tagging.text.normalise import normalise
from tagging.text.words import split_words
from tagging.tools.benchmarks.datasets import read_dataset
from tagging.tools.distillation.classes import Classes, audio_classes, vision_classes
from tagging.tools.distillation.pictures import hashed_share, is_in_holdout, read_stills
from tagging.tools.distillation.sounds import holdout_groups

TALKS_HOLDOUT_SHARE = 0.2
# The ImageNet sample has one picture per class: a class would be in training or in test, never in both.
PICTURES = ("tiny_imagenet", "cifar100", "clothing", "rooms")
# Labels too vague to identify a clip by its sound.
VAGUE = frozenset(("background noise", "near silence", "noise"))


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A picture, a sound or a talk with the tags that it carries."""

    name: str  # unique among the sources of its kind
    tags: tuple[str, ...]  # exactly one for a picture or a sound
    related: frozenset[
        str
    ]  # general words of the tags, as by `plain`; the other modalities of a clip must not carry them
    held_out: bool  # for test clips
    read: Callable[[], NDArray[np.generic]]  # (H, W, 3) RGB bytes, or (samples,) float32 at 16 kHz; empty for a talk


@dataclass(frozen=True, slots=True, eq=False)
class Talk(Source):
    title: str = ""
    description: str = ""


def plain(text: str) -> str:
    """Return the normalised words in the singular with a space on each side, so that names are found as ` name `."""
    return f" {' '.join(map(singular, split_words(text)))} "


def read_pictures(data: Path) -> list[Source]:
    classes = vision_classes()
    found = []
    for picture in read_stills(data):
        if picture.source in PICTURES:
            class_row = _row(classes, picture.source, picture.label)
            name = f"{picture.source}/{picture.name}"
            found.append(_labelled(classes, class_row, name, picture.held_out, picture.pixels))
    return found


def read_sounds(data: Path) -> list[Source]:
    """Read the labelled sounds. A test asserts that the split is that of tagging/tools/distillation/sounds.py."""
    folder = data / "encoders" / "sounds"
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    archives = {name: zipfile.ZipFile(folder / name) for name in sorted({row["shard"] for row in rows})}
    groups = holdout_groups(rows)
    classes = audio_classes()
    found = []
    for row in rows:
        if row["label"] not in VAGUE:
            class_row = classes.rows[f"sounds:{row['label']}"]
            read = _sound(archives[row["shard"]], row["file"])
            found.append(_labelled(classes, class_row, row["file"], is_in_holdout("sounds", groups[row["file"]]), read))
    return found


def read_talks(data: Path) -> list[Talk]:
    """Read the talks with the editors' tags whose words occur in title or description; drop talks without such tags."""
    found = []
    for row in read_dataset("ted", data / "metadata" / "ted_talks.parquet").rows:
        text = plain(f"{row.title}\n{row.description}")
        tags = tuple(tag for tag in row.tags if plain(tag).strip() and plain(tag) in text)
        held_out = hashed_share(f"talk {normalise(row.title)}") < TALKS_HOLDOUT_SHARE
        if tags:
            related = frozenset(map(plain, tags))
            found.append(Talk(row.video_id, tags, related, held_out, _no_samples, row.title, row.description))
    return found


def _row(classes: Classes, source: str, label: str) -> int:
    in_teacher = classes.rows.get(f"teacher:{label}")
    return classes.rows[f"{source}:{label}"] if in_teacher is None else in_teacher


def _labelled(classes: Classes, row: int, name: str, held_out: bool, read: Callable[[], NDArray[np.generic]]) -> Source:
    tag = classes.names[row]
    return Source(name, (tag,), _plain_words((tag, *classes.words[row])), held_out, read)


def _plain_words(names: Iterable[str]) -> frozenset[str]:
    return frozenset(map(plain, names))


def _sound(archive: zipfile.ZipFile, name: str) -> Callable[[], NDArray[np.float32]]:
    def read() -> NDArray[np.float32]:
        import soundfile

        samples, _ = soundfile.read(io.BytesIO(archive.read(name)), dtype="float32")
        return np.asarray(samples, np.float32)

    return read


def _no_samples() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)
