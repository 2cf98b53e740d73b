"""What composite clips are made of: labelled pictures, labelled sounds, and talks with what stands in their text.

What the package's encoders have learnt from is never kept back, so the kept-back pictures and sounds alone make test
clips. Talks are divided by a hash of their title.
"""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.text import normalise, singular, split_words
from tagging.tools.benchmarks.datasets import read_dataset
from tagging.tools.distillation.classes import Classes, audio_classes, vision_classes
from tagging.tools.distillation.pictures import hashed_share, is_in_holdout, read_stills

TALKS_HOLDOUT_SHARE = 0.2
# ImageNet's own sample has one picture a class: a class would be in training or in test, never in both.
PICTURES = ("tiny_imagenet", "cifar100", "clothing", "rooms")
# Labels that name no sound a clip could be found by.
VAGUE = frozenset(("background noise", "near silence", "noise"))


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A picture, a sound or a talk with the tags that it carries."""

    name: str  # tells it from all others of its kind
    tags: tuple[str, ...]  # a picture and a sound carry one
    related: frozenset[str]  # general words of the tags, plain: what the other modalities of a clip must not carry
    held_out: bool  # for test clips
    read: Callable[[], NDArray[np.generic]]  # (H, W, 3) RGB bytes, or (samples,) float32 at 16 kHz; empty for a talk


@dataclass(frozen=True, slots=True, eq=False)
class Talk(Source):
    title: str = ""
    description: str = ""


def plain(text: str) -> str:
    """Normalised words in the singular, a space on each side of each: names are found in texts as ` name `."""
    return f" {' '.join(map(singular, split_words(normalise(text))))} "


def read_pictures(data: Path) -> list[Source]:
    classes = vision_classes()
    found = []
    for picture in read_stills(data):
        if picture.source in PICTURES:
            own = _row(classes, picture.source, picture.label)
            name = f"{picture.source}/{picture.name}"
            found.append(_labelled(classes, own, name, picture.held_out, picture.pixels))
    return found


def read_sounds(data: Path) -> list[Source]:
    """The labelled sounds alone; the split is that of tagging/tools/distillation/sounds.py, which a test holds."""
    folder = data / "encoders" / "sounds"
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    archives = {name: zipfile.ZipFile(folder / name) for name in sorted({row["shard"] for row in rows})}
    recordings: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        recordings[row["label"]].add(row["recording"])
    classes = audio_classes()
    found = []
    for row in rows:
        group = row["recording"] if len(recordings[row["label"]]) > 1 else row["file"]
        if row["label"] not in VAGUE:
            own = classes.rows[f"sounds:{row['label']}"]
            read = _sound(archives[row["shard"]], row["file"])
            found.append(_labelled(classes, own, row["file"], is_in_holdout("sounds", group), read))
    return found


def read_talks(data: Path) -> list[Talk]:
    """Talks with those of their editors' tags whose words stand in title or description; others have none here."""
    found = []
    for row in read_dataset("ted", data / "metadata" / "ted_talks.parquet").rows:
        text = plain(f"{row.title}\n{row.description}")
        tags = tuple(tag for tag in row.tags if plain(tag).strip() and plain(tag) in text)
        held_out = hashed_share(f"talk {normalise(row.title)}") < TALKS_HOLDOUT_SHARE
        if tags:
            related = frozenset(map(plain, tags))
            found.append(Talk(row.video_id, tags, related, held_out, _nothing, row.title, row.description))
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


def _nothing() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)
