"""Bundles with small networks, and repositories that they were exported to."""

import shutil
from pathlib import Path

import pytest

from tagging.bundle.files import copy_missing_files
from tagging.bundle.manifest import BUNDLE, EncoderEntry
from tagging.config.encoders import (
    EncodersConfig,
    HashedTextConfig,
    MultilingualE5Config,
    TrainedAudioConfig,
    TrainedVisionConfig,
)
from tagging.config.readers import PpOcrConfig, WhisperConfig
from tagging.config.root import Config
from tagging.features.factory import load_encoders
from tagging.progress import Silent
from tagging.tools.starter.build import build
from tagging.triton.export import export_bundle
from tests.support.build_once import build_once
from tests.support.label_lists import tiny_classes
from tests.support.tiny_e5 import tiny_e5
from tests.tagging.features.conftest import minilm, open_clip, tiny_clip, tiny_text  # noqa: F401  fixtures

READERS = EncodersConfig(
    device="cpu",
    text=HashedTextConfig(backend="hashed-ngrams"),
    screen=PpOcrConfig(frames=6, threads=1),
    speech=WhisperConfig(max_speech_s=20.0, threads=1),
)


def _encoders(text: Path) -> EncodersConfig:
    """Return a small random E5, and the trained encoders of the package."""
    return EncodersConfig(
        device="cpu",
        text=MultilingualE5Config(backend="multilingual-e5", weights=str(text), max_tokens=16),
        vision=TrainedVisionConfig(backend="videotag-vision"),
        audio=TrainedAudioConfig(backend="videotag-audio"),
    )


def write_bundle(bundle: Path, folder: Path, config: EncodersConfig) -> None:
    """Write the bundle as if these were its encoders; its indexes are left as they are."""
    manifest = BUNDLE.read(bundle)
    folder.mkdir()
    copy_missing_files(bundle, folder, manifest)
    entries = {
        modality: EncoderEntry(fingerprint=encoder.fingerprint, dim=encoder.dim)
        for modality, encoder in load_encoders(config).present().items()
    }
    whole = manifest.config.model_copy(update={"encoders": config})
    BUNDLE.seal(folder, manifest.model_copy(update={"config": whole, "encoders": entries}))


@pytest.fixture(scope="session")
def bundles(built_once: Path, tiny_starter: Path, label_lists: Path, direct_config: Config) -> tuple[Path, Path]:
    """Two bundles that differ in their text encoder; the first one tags by what its networks find."""

    def build_both(folder: Path) -> None:
        first, second = (_encoders(tiny_e5(seed).write(folder / f"{seed}.bin")) for seed in (0, 1))
        config = direct_config.model_copy(update={"encoders": first})
        starter = tiny_starter.parent
        build(label_lists, starter / "titles.jsonl", {}, folder / "bundle0", config, tiny_classes(starter))
        write_bundle(folder / "bundle0", folder / "bundle1", second)

    folder = build_once(built_once, "bundles-with-networks", build_both)
    return folder / "bundle0", folder / "bundle1"


@pytest.fixture(scope="session")
def repositories(built_once: Path, bundles: tuple[Path, Path]) -> tuple[Path, Path]:
    """A repository of the first bundle, and one to which the second was exported later. Tests that write copy them."""

    def export(folder: Path) -> None:
        export_bundle(bundles[0], folder / "first", Silent())
        shutil.copytree(folder / "first", folder / "both")
        export_bundle(bundles[1], folder / "both", Silent())

    folder = build_once(built_once, "triton-repositories", export)
    return folder / "first", folder / "both"


@pytest.fixture(scope="session")
def exported_readers(built_once: Path, tiny_starter: Path) -> Path:
    """A bundle whose only networks are those of its readers, READERS, and the repository `models` with them."""

    def export(folder: Path) -> None:
        write_bundle(tiny_starter, folder / "bundle", READERS)
        export_bundle(folder / "bundle", folder / "models", Silent())

    return build_once(built_once, "triton-readers", export)
