"""Configuration profiles, and the TOML files that override their values.

A profile is a whole configuration; TOML files given with `--config` replace single values of it.
"""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tagging.config.base import first_fault
from tagging.config.encoders import (
    EfficientNetLiteConfig,
    EncodersConfig,
    MultilingualE5Config,
    OpenClipConfig,
    SentenceTransformersConfig,
    TrainedAudioConfig,
    VggishConfig,
)
from tagging.config.readers import PpOcrConfig, WhisperConfig
from tagging.config.recall import NamesConfig, RecallConfig
from tagging.config.root import Config
from tagging.errors import InvalidConfigError

# Strength curves and the text encoder that they belong to; written by `python -m tagging.tools starter calibrate`.
CALIBRATION = Path(__file__).parents[1] / "models" / "calibration.json"

PROFILES: dict[str, Config] = {
    # Needs no download: the encoders ship inside installed packages.
    "offline": Config(
        profile="offline",
        encoders=EncodersConfig(
            text=MultilingualE5Config(backend="multilingual-e5"),
            vision=EfficientNetLiteConfig(backend="efficientnet-lite"),
            audio=TrainedAudioConfig(backend="videotag-audio"),
            speech=WhisperConfig(),
            screen=PpOcrConfig(),
        ),
        recall=RecallConfig(names=NamesConfig.model_validate_json(CALIBRATION.read_text(encoding="utf-8"))),
    ),
    "production": Config(
        profile="production",
        encoders=EncodersConfig(
            text=SentenceTransformersConfig(
                weights="sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", max_tokens=128
            ),
            vision=OpenClipConfig(backend="open-clip", model="hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
            audio=VggishConfig(backend="torchvggish"),
            speech=WhisperConfig(weights="Systran/faster-whisper-small"),
            screen=PpOcrConfig(),
        ),
    ),
}


def load_config(profile: str = "offline", *paths: Path) -> Config:
    """Return the profile's configuration with the values of the TOML files; later files override earlier ones.

    A table with a `backend` key replaces the whole table of the profile, as options are specific to a backend.
    The backend "none" disables a modality, as TOML has no null.
    Relative weight paths start at the file and become absolute, because a bundle may move.
    """
    if profile not in PROFILES:
        raise InvalidConfigError(f"unknown profile {profile!r}", f"known profiles: {', '.join(PROFILES)}")
    tree = PROFILES[profile].model_dump(mode="json")
    for path in paths:
        try:
            over = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidConfigError(f"cannot read {path}: {error}") from error
        tree = _overlay(tree, _with_absolute_weights(over, path.parent))
    return parse_config(tree, source=", ".join(map(str, paths)) or profile)


def parse_config(tree: dict[str, Any], source: str) -> Config:
    """Return the tree as a Config. Raises InvalidConfigError, which names the first invalid key."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise InvalidConfigError(f"{source}: {first_fault(error)}") from error


def _with_absolute_weights(tree: dict[str, Any], folder: Path) -> dict[str, Any]:
    resolved: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            resolved[key] = _with_absolute_weights(value, folder)
        elif key == "weights" and isinstance(value, str) and value and (folder / value).exists():
            resolved[key] = str((folder / value).resolve())
        else:
            resolved[key] = value
    return resolved


def _overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        replaces = isinstance(value, dict) and "backend" in value
        if value == {"backend": "none"}:
            merged[key] = None
        elif isinstance(below, dict) and isinstance(value, dict) and not replaces:
            merged[key] = _overlay(below, value)
        else:
            merged[key] = value
    return merged
