"""Fixtures that every part of the suite shares."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.config.profiles import parse_config
from tagging.config.root import Config
from tagging.features.resnet import SmallResNet
from tagging.progress import Silent
from tagging.quickstart.corpus import Plan, plan_test, plan_training, write_corpus
from tagging.store.database.config import DatabaseConfig
from tagging.store.features import FeatureStore
from tagging.tools.distillation.classes import Classes
from tagging.tools.distillation.export import write
from tagging.tools.starter.build import build
from tagging.training.run import train
from tests.support.clocks import NOW
from tests.support.database_records import database_at
from tests.support.label_lists import write_label_lists
from tests.support.paths import SHARED
from tests.support.postgres import PostgresServer, binaries


@pytest.fixture(autouse=True)
def _our_loggers_as_they_are_by_themselves() -> None:
    """A command that a test runs in this process sets their levels, for good."""
    for name in ("tagging", "recall", "rank"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real videos and tables that live beside the checkout and are never shipped with it."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip("the real data folder beside the checkout is missing")
    return data


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that is up; a test that stops it starts it again."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseConfig]:
    """A database without tables: each of both kinds in turn."""
    if request.param == "sqlite":
        yield database_at(f"sqlite:///{tmp_path}/videotag.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.new_database() as url:
        yield database_at(url)


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
            "rank": {
                "ranker": {
                    "towers": {"width": 32, "clusters": 4, "groups": 2},
                    "walks": {"walks": 1, "dim": 8, "length": 10},
                    "negatives": {"drawn": 10, "two_hop": 2, "recalled": 0},
                    "batch": 32,
                    "epochs": 1,
                    "least_steps": 40,
                }
            },
        },
        source="tests",
    )


VISION_CLASSES = {"beagle": ("dog", "animal"), "tabby": ("cat", "animal"), "sports car": ("car", "vehicle")}
AUDIO_CLASSES = {"dog barking": ("dog", "animal"), "piano": ("music",)}


@pytest.fixture(scope="session")
def trained_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """vision.safetensors and audio.safetensors: networks of random weights that always believe in their first class."""
    folder = tmp_path_factory.mktemp("trained")
    for what, taught, channels, dim in (("vision", VISION_CLASSES, 3, 256), ("audio", AUDIO_CLASSES, 1, 128)):
        torch.manual_seed(0)
        network = SmallResNet(channels, dim, len(taught)).requires_grad_(False)
        network.classes.weight *= 0.01
        network.classes.bias[:] = torch.tensor([3.0] + [-3.0] * (len(taught) - 1))
        classes = Classes(names=tuple(taught), words=tuple(taught.values()), rows={}, implied={})
        anchors = np.eye(len(taught), 384, dtype=np.float32)
        write(network, what, classes, anchors, "any", folder / f"{what}.safetensors")
    return folder


@pytest.fixture(scope="session")
def direct_config(tiny_config: Config, trained_weights: Path) -> Config:
    """Encoders that were taught classes, and every direct source open from low strengths on."""
    tree = tiny_config.model_dump()
    tree["encoders"]["vision"] = {"backend": "videotag-vision", "weights": str(trained_weights / "vision.safetensors")}
    tree["encoders"]["audio"] = {"backend": "videotag-audio", "weights": str(trained_weights / "audio.safetensors")}
    curve = {"slope": 4.0, "intercept": -2.0, "least": 0.05}
    tree["recall"]["names"] = dict.fromkeys(("literal", "described", "seen", "heard"), curve)
    return parse_config(tree, source="tests")


@pytest.fixture(scope="session")
def label_lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of label lists in the form of the public ones, with a handful of names each."""
    return write_label_lists(tmp_path_factory.mktemp("annotations"))


@pytest.fixture(scope="session")
def tiny_starter(tmp_path_factory: pytest.TempPathFactory, label_lists: Path, direct_config: Config) -> Path:
    """A starter bundle of the tiny lists."""
    folder = tmp_path_factory.mktemp("starter")
    for kind, classes in (("vision", VISION_CLASSES), ("audio", AUDIO_CLASSES)):
        lines = [f"{name},{';'.join(words)},yes" for name, words in classes.items()]
        (folder / f"classes_{kind}.csv").write_text("\n".join(["name,words,tag", *lines]) + "\n")
    build(label_lists, folder / "bundle", direct_config, folder)
    return folder / "bundle"


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
    train([corpus], {}, folder / "tiny", tiny_config, FeatureStore(folder / "features"), Silent(), created=NOW)
    return folder / "tiny"
