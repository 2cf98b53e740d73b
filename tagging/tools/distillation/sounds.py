"""Training sounds of the audio encoder, and their holdout for measuring.

If a label has several recordings, whole recordings are held out, by a hash of their number.
"""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.tools.distillation.pictures import is_in_holdout, read_clips
from tagging.types import SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSound:
    source: str  # "sounds" or "clips"
    name: str
    label: str  # "" for the soundtrack of a clip
    held_out: bool  # for measuring
    samples: NDArray[np.float32]  # 16 kHz mono in [-1, 1]
    probabilities: NDArray[np.float32] | None  # (527,) output of the teacher at the original sample rate
    features: NDArray[np.float32] | None  # (384,) likewise


def read_sounds(data: Path) -> list[LabelledSound]:
    """Return every sound below the data folder, in an order that depends only on the files."""
    import soundfile

    folder = data / "encoders" / "sounds"
    outputs = np.load(folder / "teacher_mn04.npz")
    row_of = {str(name): row for row, name in enumerate(outputs["name"])}
    probabilities, features = outputs["probability"].astype(np.float32), outputs["embedding"].astype(np.float32)
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    groups = holdout_groups(rows)
    archives = {name: zipfile.ZipFile(folder / name) for name in sorted({row["shard"] for row in rows})}
    sounds = []
    for row in rows:
        samples, rate = soundfile.read(io.BytesIO(archives[row["shard"]].read(row["file"])), dtype="float32")
        if rate != SAMPLE_RATE_HZ:
            raise ValueError(f"{row['file']} has a sample rate of {rate} Hz, expected {SAMPLE_RATE_HZ} Hz")
        held_out = is_in_holdout("sounds", groups[row["file"]])
        index = row_of[row["file"]]
        sounds.append(
            LabelledSound("sounds", row["file"], row["label"], held_out, samples, probabilities[index], features[index])
        )
    for path, media in read_clips(data):
        if media.sound is not None and media.sound.duration_s >= 1.0:
            held_out = is_in_holdout("clips", path.name)
            sounds.append(LabelledSound("clips", path.name, "", held_out, media.sound.samples, None, None))
    return sounds


def holdout_groups(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Map each file to its group for the holdout: its recording, or the file itself if the label has only one."""
    recordings: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        recordings[row["label"]].add(row["recording"])
    return {row["file"]: row["recording"] if len(recordings[row["label"]]) > 1 else row["file"] for row in rows}
