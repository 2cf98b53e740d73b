"""Fixtures that the whole suite shares; the expensive ones are built once for all pytest-xdist workers."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.config.profiles import parse_config
from tagging.config.root import Config
from tagging.features.resnet import SmallResNet
from tagging.progress import Silent
from tagging.quickstart.corpus import PlannedVideo, plan_test, plan_training, write_corpus
from tagging.store.database.config import DatabaseConfig
from tagging.store.features import FeatureStore
from tagging.tools.distillation.classes import Classes
from tagging.tools.distillation.export import write
from tagging.tools.starter.build import build
from tagging.training.run import train
from tests.support import configs
from tests.support.build_once import build_once, session_root
from tests.support.clocks import NOW
from tests.support.corpora import train_bundle, write_topic_videos
from tests.support.database_records import database_at
from tests.support.label_lists import tiny_classes, without_extractor, write_label_lists
from tests.support.object_store import ObjectStore, serving_objects
from tests.support.paths import SHARED
from tests.support.postgres import PostgresServer, binaries
from tests.support.titles import songs, write_titles

SLOW_TIMEOUT_S = 900

# Tests start hundreds of processes, and without bytecode files each would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give slow tests more time, and run their files first: otherwise one worker is left with them at the end."""
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))


@pytest.fixture(autouse=True)
def _loggers_at_their_default_level() -> None:
    """Reset the levels that commands in this process set."""
    for name in ("tagging", "recall", "rank"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real videos and tables next to the checkout, not part of it."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip("the real data folder next to the checkout is missing")
    return data


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server, one for each pytest-xdist worker: tests crash, freeze and reconfigure it.

    A test that stops it starts it again.
    """
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """An S3 server with an empty bucket; each test uses a folder of its own."""
    with serving_objects() as store:
        yield store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseConfig]:
    """A database without tables, for SQLite and for PostgreSQL."""
    if request.param == "sqlite":
        yield database_at(f"sqlite:///{tmp_path}/videotag.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.new_database() as url:
        yield database_at(url)


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Folder of the files that one worker builds and all workers read."""
    return session_root(tmp_path_factory, worker_id)


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    """Every modality, with encoders without weights."""
    return configs.tiny_config()


VISION_CLASSES = {"beagle": ("dog", "animal"), "tabby": ("cat", "animal"), "sports car": ("car", "vehicle")}
AUDIO_CLASSES = {"dog barking": ("dog", "animal"), "piano": ("music",)}


@pytest.fixture(scope="session")
def trained_weights(built_once: Path) -> Path:
    """vision.safetensors and audio.safetensors: networks of random weights that always choose their first class."""
    return build_once(built_once, "trained-weights", _write_trained_weights)


def _write_trained_weights(folder: Path) -> None:
    for kind, classes_of, channels, dim in (("vision", VISION_CLASSES, 3, 256), ("audio", AUDIO_CLASSES, 1, 128)):
        torch.manual_seed(0)
        network = SmallResNet(channels, dim, len(classes_of)).requires_grad_(False)
        network.classes.weight *= 0.01
        network.classes.bias[:] = torch.tensor([3.0] + [-3.0] * (len(classes_of) - 1))
        classes = Classes(names=tuple(classes_of), words=tuple(classes_of.values()), rows={}, implied={})
        anchors = np.eye(len(classes_of), 384, dtype=np.float32)
        write(network, kind, classes, anchors, "any", folder / f"{kind}.safetensors")


@pytest.fixture(scope="session")
def direct_config(tiny_config: Config, trained_weights: Path) -> Config:
    """Encoders that predict classes, and every name source with a low threshold."""
    tree = tiny_config.model_dump()
    tree["encoders"]["vision"] = {"backend": "videotag-vision", "weights": str(trained_weights / "vision.safetensors")}
    tree["encoders"]["audio"] = {"backend": "videotag-audio", "weights": str(trained_weights / "audio.safetensors")}
    curve = {"slope": 4.0, "intercept": -2.0, "least": 0.05}
    tree["recall"]["names"] = dict.fromkeys(("literal", "described", "seen", "heard"), curve)
    return parse_config(tree, source="tests")


@pytest.fixture(scope="session")
def label_lists(built_once: Path) -> Path:
    """A folder of label lists in the form of the public ones, with a handful of names each."""
    return build_once(built_once, "label-lists", write_label_lists)


@pytest.fixture(scope="session")
def tiny_starter(built_once: Path, label_lists: Path, direct_config: Config) -> Path:
    """A starter bundle of the tiny lists whose names alone are found in titles: nothing is extracted."""

    def build_starter(folder: Path) -> None:
        for kind, classes in (("vision", VISION_CLASSES), ("audio", AUDIO_CLASSES)):
            lines = [f"{name},{';'.join(words)},yes" for name, words in classes.items()]
            (folder / f"classes_{kind}.csv").write_text("\n".join(["name,words,tag", *lines]) + "\n")
        titles = write_titles(folder / "titles.jsonl", songs(150, 50, seed=1))
        build(label_lists, titles, {}, folder / "whole", direct_config, tiny_classes(folder))
        without_extractor(folder / "whole", folder / "bundle")

    return build_once(built_once, "starter", build_starter) / "bundle"


@pytest.fixture(scope="session")
def extracting_starter(tiny_starter: Path) -> Path:
    """The starter bundle of the tiny lists with its extractor, which was fitted on titles of songs."""
    return tiny_starter.with_name("whole")


@pytest.fixture(scope="session")
def corpus(built_once: Path) -> Path:
    """Manifest of 60 labelled videos, 24 of them with clips."""

    def build_corpus(folder: Path) -> None:
        rng = np.random.default_rng(1)
        write_corpus(plan_training(60, 24, rng), folder, rng, Silent())

    return next(build_once(built_once, "corpus", build_corpus).glob("*.jsonl"))


@pytest.fixture(scope="session")
def unseen_plans() -> list[PlannedVideo]:
    return plan_test(8, np.random.default_rng(2))


@pytest.fixture(scope="session")
def unseen_corpus(built_once: Path, unseen_plans: list[PlannedVideo]) -> Path:
    """Manifest of 8 clips under titles that `corpus` does not have."""

    def build_unseen(folder: Path) -> None:
        write_corpus(unseen_plans, folder, np.random.default_rng(3), Silent())

    return next(build_once(built_once, "unseen-corpus", build_unseen).glob("*.jsonl"))


@pytest.fixture(scope="session")
def tiny_bundle(built_once: Path, corpus: Path, tiny_config: Config) -> Path:
    """A bundle trained on `corpus`, without a recall model. Tests that change a bundle copy it first."""

    def build_tiny(folder: Path) -> None:
        store = FeatureStore(folder / "features")
        train([corpus], {}, folder / "tiny", tiny_config, store, Silent(), created=NOW)

    return build_once(built_once, "tiny-bundle", build_tiny) / "tiny"


@pytest.fixture(scope="session")
def learnt_bundle(built_once: Path, direct_config: Config) -> Path:
    """A bundle with every kind of file, trained on 400 titles; its manifest train.jsonl is next to it."""
    return _train_on_topics(built_once, "learnt-bundle", configs.with_learnt_recall(direct_config))


@pytest.fixture(scope="session")
def precise_config(tiny_config: Config) -> Config:
    """The configuration of `precise_bundle`."""
    return configs.with_precise_recall(tiny_config)


@pytest.fixture(scope="session")
def precise_bundle(built_once: Path, precise_config: Config) -> Path:
    """A bundle that fits four topics well, trained on 400 titles; its manifest train.jsonl is next to it."""
    return _train_on_topics(built_once, "precise-bundle", precise_config)


def _train_on_topics(root: Path, name: str, config: Config) -> Path:
    def build_bundle(folder: Path) -> None:
        train_bundle(write_topic_videos(folder / "train.jsonl", 400, seed=1), config)

    return build_once(root, name, build_bundle) / "b"
