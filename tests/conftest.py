"""Fixtures that every part of the suite shares."""

from pathlib import Path

import numpy as np
import pytest

from tagging.config import Config, parse_config
from tagging.progress import Silent
from tagging.quickstart.corpus import Plan, plan_test, plan_training, write_corpus
from tagging.store.features import FeatureStore
from tagging.training import train

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real videos and tables that live beside the checkout and are never shipped with it."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip("the real data folder beside the checkout is missing")
    return data


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    """Every modality read by an encoder without weights."""
    return parse_config(
        {
            "profile": "tiny",
            "encoders": {
                "text": {"backend": "hashed-ngrams", "dim": 128},
                "vision": {"backend": "frame-statistics"},
                "audio": {"backend": "sound-statistics"},
            },
        },
        source="tests",
    )


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of 60 labelled videos, 24 of them with clips."""
    rng = np.random.default_rng(1)
    return write_corpus(plan_training(60, 24, rng), tmp_path_factory.mktemp("corpus"), rng, Silent())


@pytest.fixture(scope="session")
def unseen_plans() -> list[Plan]:
    return plan_test(8, np.random.default_rng(2))


@pytest.fixture(scope="session")
def unseen_corpus(tmp_path_factory: pytest.TempPathFactory, unseen_plans: list[Plan]) -> Path:
    """Manifest of 8 clips under titles that `corpus` does not have."""
    return write_corpus(unseen_plans, tmp_path_factory.mktemp("test"), np.random.default_rng(3), Silent())


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, corpus: Path, tiny_config: Config) -> Path:
    """A bundle trained on `corpus`. Tests that change a bundle copy it first."""
    folder = tmp_path_factory.mktemp("bundles")
    train([corpus], {}, folder / "tiny", tiny_config, FeatureStore(folder / "features"), Silent())
    return folder / "tiny"
