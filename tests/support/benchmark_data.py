"""Small tables and sources in the forms of the real ones."""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from PIL import Image

from tagging.tools.benchmarks.folder import read_table
from tagging.tools.benchmarks.scorer import Scorer
from tagging.tools.benchmarks.videotag import VideotagOptions
from tagging.types import LabelledVideo
from tests.support import plain_scorer
from tests.support.cli import run

TOPICS = {
    "cooking": ("soup", "recipe", "kitchen"),
    "football": ("goals", "derby", "sport"),
    "gaming": ("minecraft", "speedrun", "let's play"),
}


def write_youtube(path: Path, uploaders: int = 60, videos_each: int = 4) -> Path:
    """Write a table of videos: each uploader has one topic and repeats its tags; every tenth video has no tags."""
    topics = list(TOPICS)
    rows = []
    for number in range(uploaders * videos_each):
        uploader = number % uploaders
        topic = topics[uploader % len(topics)]
        words = TOPICS[topic]
        rows.append(
            {
                "video_id": f"v{number:04d}",
                "title": f"{topic} {words[number % 3]} number {number}",
                "tags": [] if number % 10 == 9 else [topic.title(), words[number % 3], f"by {uploader}"],
                "channel_id": f"c{uploader}",
                "views": number,
            }
        )
    return write_parquet(path, rows)


def write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def write_predictions_file(path: Path, rows: Iterable[tuple[str, Sequence[Any]]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"video_id": v, "tags": list(t)}) + "\n" for v, t in rows), encoding="utf-8")
    return path


def fake_scorer(tmp_path: Path, body: str) -> Scorer:
    """Return a scorer that can choose a sample and prints the output of `body`."""
    program = f"""
import json, sys
from pathlib import Path
import pyarrow.parquet as pq
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if "--write-sample" in options:
    ids = pq.read_table(options["--truth"])["video_id"].to_pylist()
    Path(options["--write-sample"]).write_text("".join(json.dumps({{"video_id": i}}) + "\\n" for i in ids))
    sys.exit()
{body}
"""
    (tmp_path / "scorer.py").write_text(program)
    return Scorer(tmp_path / "scorer.py")


@dataclass(frozen=True, slots=True)
class PlainScorer(Scorer):
    """The plain scorer without its process, which is started twice for each system."""

    def score(self, truth: Path, train: Path, predictions: Path) -> dict[str, Any]:
        return plain_scorer.scores_of(truth, predictions)

    def sampled(self, truth: Path) -> list[LabelledVideo]:
        return read_table(truth)


def videotag_here(options: VideotagOptions, *arguments: str) -> None:
    """Run a `videotag` command of a benchmark in this process, which has imported the libraries already."""
    result = run(*arguments)
    assert result.returncode == 0, result.stderr


PICTURES = {  # zip -> labels of which it holds pictures, and how its files are named
    "imagenet_sample_1000.zip": ["n01440764"],
    "tiny_imagenet_200x30.zip": ["n01443537", "n02124075"],
    "cifar100_100x25.zip": ["apple", "castle", "dolphin"],
    "clothing_10x75.zip": ["dress", "hat"],
    "house_rooms_4x150.zip": ["kitchen", "bathroom"],
    "thumbnails_0.zip": [],
}
SOUNDS = ["rain", "piano", "dog", "siren", "near silence"]
TALK_TAGS = ["design", "data", "cities", "health"]


def write_sources(data: Path, each: int = 20) -> Path:
    """Write a data folder with pictures, sounds and talks; no clips."""
    rng = np.random.default_rng(0)
    for folder in ("clips", "clips_edge", "encoders/images", "encoders/sounds", "metadata"):
        (data / folder).mkdir(parents=True)
    for file, labels in PICTURES.items():
        with zipfile.ZipFile(data / "encoders/images" / file, "w") as archive:
            names = [(f"{label}_{n}.jpg", label) for label in labels for n in range(each)]
            for name, _ in names:
                pixels = rng.integers(0, 256, (24, 32, 3), np.uint8)
                archive.writestr(name, _bytes(lambda out, p=pixels: Image.fromarray(p).save(out, "JPEG")))
            archive.writestr("labels.csv", _csv([("file", "label"), *names]))
    rows = []
    with zipfile.ZipFile(data / "encoders/sounds/sounds_0.zip", "w") as archive:
        for label in SOUNDS:
            for n in range(each):
                # The sounds of sirens are one recording; of the others every two.
                recording = "siren" if label == "siren" else f"{label} {n // 2}"
                rows.append((f"{label}_{n}.ogg", "sounds_0.zip", label, recording))
                samples = rng.uniform(-0.3, 0.3, 4000 + 800 * n).astype(np.float32)
                archive.writestr(
                    rows[-1][0], _bytes(lambda out, s=samples: soundfile.write(out, s, 16_000, format="OGG"))
                )
    table = _csv([("file", "shard", "label", "recording"), *rows])
    (data / "encoders/sounds/labels.csv").write_text(table, encoding="utf-8")
    np.savez(
        data / "encoders/sounds/teacher_mn04.npz",
        name=np.array([row[0] for row in rows]),
        probability=np.zeros((len(rows), 527), np.float16),
        embedding=np.zeros((len(rows), 384), np.float16),
    )
    talks = [
        {
            "item_id": f"talk{n}",
            "title": f"Talk {n} on {TALK_TAGS[n % 4]}" + (" and pianos" if n % 5 == 0 else ""),
            "description": f"What {TALK_TAGS[(n + 1) % 4]} can do",
            "tags": [TALK_TAGS[n % 4].title(), TALK_TAGS[(n + 1) % 4], "global issues"],
        }
        for n in range(80)
    ]
    write_parquet(data / "metadata/ted_talks.parquet", talks)
    return data


def _bytes(write: Any) -> bytes:
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()
