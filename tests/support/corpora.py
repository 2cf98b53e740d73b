"""Manifests of labelled videos, and bundles trained on them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tagging.config.root import Config
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.training.run import train
from tests.support.clocks import NOW
from tests.support.topics import NAMES, topics


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    """Write one JSON object a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_topic_videos(path: Path, count: int, seed: int, first: int = 0, clips: Sequence[Path] = ()) -> Path:
    """Write a manifest of `count` titles of four topics, with ids from v{first} on.

    clips: the media of every eleventh video, each topic its own
    """
    data = topics(count, seed)
    rows = []
    for index, video in enumerate(data.videos):
        # Each uploader of the topics becomes fifty, so that whole uploaders can be held out.
        row: dict[str, object] = {
            "video_id": f"v{first + index}",
            "title": video.title,
            "tags": [NAMES[tag] for tag in data.tags.at(index)],
            "uploader_id": f"u{data.uploaders[index]}-{index % 50}",
        }
        if clips and index % 11 == 0:
            row["uri"] = str(clips[index % 4])
        rows.append(row)
    return write_rows(path, rows)


def write_numbered_titles(path: Path, count: int, **columns: object) -> Path:
    """Write a manifest of `count` short titles with seven tags and twenty uploaders; `columns` are the same in all."""
    rows = (
        {
            "video_id": f"v{n}",
            "title": f"title {n} {n % 7}",
            "tags": [f"tag {n % 7}"],
            "uploader_id": f"u{n % 20}",
            **columns,
        }
        for n in range(count)
    )
    return write_rows(path, rows)


def train_bundle(manifest: Path, config: Config, store: FeatureStore | None = None) -> Path:
    """Train on a manifest into the folder `b` next to it, with features in `f` there unless a store is given."""
    folder = manifest.parent
    train([manifest], {}, folder / "b", config, store or FeatureStore(folder / "f"), Silent(), created=NOW)
    return folder / "b"
