"""Training pictures of the vision encoder, and their holdout for measuring.

Whole groups (a house, a clip) are held out, by a hash of their name: training never sees a crop of a measured picture,
nor another room of its house.
"""

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagging.config.media import MediaConfig
from tagging.errors import VideotagError
from tagging.media.decode import decode
from tagging.types import MediaSample

LABELLED = ("imagenet_sample", "tiny_imagenet", "cifar100", "clothing", "rooms")
_ZIPS = {
    "imagenet_sample": "imagenet_sample_1000.zip",
    "tiny_imagenet": "tiny_imagenet_200x30.zip",
    "cifar100": "cifar100_100x25.zip",
    "clothing": "clothing_10x75.zip",
    "rooms": "house_rooms_4x150.zip",
    "thumbnails": "thumbnails_0.zip",
}
HOLDOUT_SHARES = {**dict.fromkeys(LABELLED, 0.2), "thumbnails": 0.1, "clips": 0.5, "sounds": 0.2}


@dataclass(frozen=True, slots=True)
class Picture:
    source: str
    name: str
    label: str  # of its source; "" if there is none
    held_out: bool  # for measuring
    pixels: Callable[[], NDArray[np.uint8]]  # (H, W, 3) RGB


def read_pictures(data: Path) -> list[Picture]:
    """Return every picture below the data folder, in an order that depends only on the files."""
    return [*read_stills(data), *read_frames(data)]


def read_stills(data: Path) -> list[Picture]:
    """Return the labelled pictures and the thumbnails."""
    pictures: list[Picture] = []
    for source, file in _ZIPS.items():
        archive = zipfile.ZipFile(data / "encoders" / "images" / file)
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        labels = _labels(archive, source, names)
        for name in names:
            held_out = is_in_holdout(source, _group(source, name))
            pictures.append(Picture(source, name, labels.get(name, ""), held_out, _member(archive, name)))
    return pictures


def read_frames(data: Path) -> list[Picture]:
    """Return the sampled frames of the real clips."""
    pictures: list[Picture] = []
    for path, media in read_clips(data):
        if media.frames is None:
            continue
        for index, frame in enumerate(media.frames.pixels):
            held_out = is_in_holdout("clips", path.name)
            pictures.append(Picture("clips", f"{path.name}#{index:02d}", "", held_out, _constant(frame)))
    return pictures


def read_clips(data: Path) -> list[tuple[Path, MediaSample]]:
    """Decode every readable real clip once."""
    clips: list[tuple[Path, MediaSample]] = []
    for path in sorted([*(data / "clips").iterdir(), *(data / "clips_edge").iterdir()]):
        if path.suffix != ".csv":
            try:
                clips.append((path, decode(path, MediaConfig())))
            except VideotagError:  # one of the damaged files has neither picture nor sound
                continue
    return clips


def is_in_holdout(source: str, group: str) -> bool:
    return hashed_share(f"{source}/{group}") < HOLDOUT_SHARES[source]


def hashed_share(name: str) -> float:
    """Return a number in [0, 1) that depends only on the name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64


def _group(source: str, name: str) -> str:
    house = re.fullmatch(r"[a-z]+_(\d+)\.jpg", name) if source == "rooms" else None
    return house.group(1) if house else name


def _labels(archive: zipfile.ZipFile, source: str, names: list[str]) -> dict[str, str]:
    if source == "thumbnails":
        return {}
    if source in {"imagenet_sample", "tiny_imagenet"}:  # files are named by their WordNet id
        return {name: name.removesuffix(".jpg").split("_")[0] for name in names}
    rows = csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"), encoding="utf-8"))
    return {row["file"]: row["label"] for row in rows}


def _member(archive: zipfile.ZipFile, name: str) -> Callable[[], NDArray[np.uint8]]:
    content = archive.read(name)
    return lambda: np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def _constant(frame: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
    return lambda: frame
