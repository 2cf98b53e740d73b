"""Tables of the made-up users, and models that were trained on them."""

from pathlib import Path

import pytest

from tagging.progress import Silent
from tagging.recommendation.tables import Sources
from tagging.recommendation.two_towers.fit import fit_recommendation
from tagging.recommendation.two_towers.manifest import HoldoutEntry
from tagging.store.features import FeatureStore
from tests.support.build_once import build_once
from tests.support.clocks import NOW
from tests.support.corpora import write_rows
from tests.support.watching import TINY, catalog, walks
from tests.tagging.topics.conftest import text_bundle

__all__ = ["text_bundle"]


@pytest.fixture(scope="session")
def sources(built_once: Path) -> Sources:
    def build(folder: Path) -> None:
        rows = [
            {"video_id": video.video.video_id, "title": video.video.title, "tags": list(video.tags)}
            for video in catalog().videos
        ]
        write_rows(folder / "videos.jsonl", rows)
        users = walks()
        sequences = [{"user_id": n, "videos": [f"v{row}" for row in users.at(n)]} for n in range(len(users))]
        write_rows(folder / "watched.jsonl", sequences)

    folder = build_once(built_once, "walks", build)
    return Sources([folder / "videos.jsonl"], {}, folder / "watched.jsonl")


@pytest.fixture(scope="session")
def trained(built_once: Path, sources: Sources, text_bundle: Path) -> Path:
    """A model of all interactions. Tests that change it copy it first."""
    return _trained(built_once, sources, text_bundle, "recommendation-model", None)


@pytest.fixture(scope="session")
def trained_without_new(built_once: Path, sources: Sources, text_bundle: Path) -> Path:
    holdout = HoldoutEntry(held_out="new", part="test", seed=TINY.seed)
    return _trained(built_once, sources, text_bundle, "recommendation-model-new", holdout)


def _trained(built_once: Path, sources: Sources, bundle: Path, name: str, holdout: HoldoutEntry | None) -> Path:
    def build(folder: Path) -> None:
        store = FeatureStore(folder / "f")
        fit_recommendation(sources, bundle, folder / "model", TINY, holdout, store, Silent(), created=NOW)

    return build_once(built_once, name, build) / "model"
