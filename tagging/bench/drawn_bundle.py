"""A small bundle with a recall model, trained on made-up titles, for measurements of how recall grows."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tagging.config.encoders import EncodersConfig, HashedTextConfig
from tagging.config.rank import RankConfig
from tagging.config.recall import (
    DeepWalkConfig,
    NamesConfig,
    NgramConfig,
    RecallConfig,
    RecallFusionConfig,
    RecallModelConfig,
)
from tagging.config.root import Config, TrainingConfig
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.training.run import train

VIDEOS, UPLOADERS, WORDS, TITLE_WORDS = 300, 60, 2_000, 4
COMMON, COMMON_TAGS = 40, 3  # tags that many videos have, and how many of them each has
TREES = RecallFusionConfig(trees=2, least_in_leaf=20)


def write_bundle(folder: Path, tags: int, seed: int) -> Path:
    """Train a bundle of about `tags` tags, which are one or two words, in a new folder; return its path.

    What it answers is meaningless. Every channel works as in a real bundle; the union has few trees.
    """
    folder.mkdir(parents=True)
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(_lines(tags, np.random.default_rng(seed))), encoding="utf-8")
    config = Config(
        profile="bench",
        encoders=EncodersConfig(device="cpu", text=HashedTextConfig(backend="hashed-ngrams")),
        recall=RecallConfig(names=NamesConfig(), learnt=_recall_model(), blend=TREES),
        rank=RankConfig(ranker=None),
        training=TrainingConfig(least_videos=VIDEOS // 2),
    )
    created = datetime(2026, 1, 1, tzinfo=UTC)
    train([manifest], {}, folder / "bundle", config, FeatureStore(folder / "features"), Silent(), created=created)
    return folder / "bundle"


def _recall_model() -> RecallModelConfig:
    return RecallModelConfig(
        ngrams=NgramConfig(least=1),
        walks=DeepWalkConfig(walks=1, length=10),
        least_uploaders=1,
        epochs=1e-9,
        least_steps=1,
    )


def _lines(tags: int, rng: np.random.Generator) -> list[str]:
    """Return the rows of the manifest: each tag is dealt to a video, and a title names the common tags of its video."""
    words = [f"word{number}" for number in range(WORDS)]
    names = [words[tag] if tag < WORDS else f"{words[tag % WORDS]} {words[tag // WORDS]}" for tag in range(tags)]
    lines = []
    for video in range(VIDEOS):
        common = rng.choice(names[:COMMON], COMMON_TAGS, replace=False).tolist()
        row = {
            "video_id": f"v{video}",
            "title": " ".join([*common, *rng.choice(words, TITLE_WORDS)]),
            "tags": [*common, *(name for name in names[video::VIDEOS] if name not in common)],
            "uploader_id": f"u{video % UPLOADERS}",
        }
        lines.append(json.dumps(row) + "\n")
    return lines
