"""A bundle that reads text alone, and a topic model fitted with it."""

from pathlib import Path

import pytest

from tagging.config.profiles import parse_config
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.topics.fit import fit_topics
from tests.support.build_once import build_once
from tests.support.clocks import NOW
from tests.support.corpora import train_bundle, write_rows, write_topic_videos
from tests.support.topic_pools import TINY, manifest_rows, pool_of

TEXT_ONLY = {
    "profile": "tiny",
    "encoders": {"text": {"backend": "hashed-ngrams", "dim": 64}, "vision": None, "audio": None},
    "rank": {"ranker": None},
}


@pytest.fixture(scope="session")
def text_bundle(built_once: Path) -> Path:
    """A bundle of the text encoder without weights; nothing is learnt in it."""

    def build(folder: Path) -> None:
        train_bundle(write_topic_videos(folder / "train.jsonl", 40, seed=1), parse_config(TEXT_ONLY, source="tests"))

    return build_once(built_once, "text-bundle", build) / "b"


@pytest.fixture(scope="session")
def pool_manifest(built_once: Path) -> Path:
    """A manifest of 200 videos of four subjects."""
    folder = build_once(
        built_once, "topic-pool", lambda folder: write_rows(folder / "pool.jsonl", manifest_rows(pool_of(200, seed=1)))
    )
    return folder / "pool.jsonl"


@pytest.fixture(scope="session")
def fitted(built_once: Path, text_bundle: Path, pool_manifest: Path) -> Path:
    """A topic model of `pool_manifest`. Tests that change it copy it first."""

    def build(folder: Path) -> None:
        store = FeatureStore(folder / "f")
        fit_topics([pool_manifest], {}, text_bundle, folder / "topics", TINY, store, Silent(), created=NOW)

    return build_once(built_once, "topic-model", build) / "topics"


@pytest.fixture(scope="session")
def refitted(built_once: Path, fitted: Path, text_bundle: Path) -> Path:
    """A model that continues `fitted`; 60 of the 160 videos that its pool has gained are about cats, 8 about cars."""

    def build(folder: Path) -> None:
        kept, gained = manifest_rows(pool_of(200, seed=1)), manifest_rows(pool_of(400, seed=3, first=200))
        most = {"cats": 60, "cars": 8, "food": 46, "music": 46}
        new = [row for subject, n in most.items() for row in [r for r in gained if r["category"] == subject][:n]]
        manifest, store = write_rows(folder / "pool.jsonl", kept + new), FeatureStore(folder / "f")
        out = folder / "topics"
        fit_topics([manifest], {}, text_bundle, out, TINY, store, Silent(), created=NOW, previous=fitted)

    return build_once(built_once, "next-topic-model", build) / "topics"
