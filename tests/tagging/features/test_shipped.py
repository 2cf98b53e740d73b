"""The encoders and the bundle of the package, on real pictures and sounds that no training used."""

from pathlib import Path

import numpy as np
import pytest

import tagging
from tagging import paths
from tagging.config.profiles import PROFILES
from tagging.features.factory import load_encoders
from tagging.features.trained import TrainedFrameEncoder
from tagging.pipeline.load import load_tagger
from tagging.tools.distillation.classes import vision_classes
from tagging.tools.distillation.pictures import read_stills
from tagging.tools.distillation.vision import label_key
from tagging.types import Frames, VideoRef

MODELS = Path(tagging.__file__ or "").parent / "models"


def test_the_shipped_files_are_small() -> None:
    sizes = {name: (MODELS / name / "model.safetensors").stat().st_size for name in ("vision", "audio")}
    assert max(sizes.values()) < 8.2e6
    bundle = sum(file.stat().st_size for file in paths.default_bundle().rglob("*") if file.is_file())
    assert bundle + sum(sizes.values()) < 30e6


def test_the_offline_profile_loads_all_three_encoders() -> None:
    encoders = load_encoders(PROFILES["offline"].encoders)
    assert encoders.text is not None
    assert encoders.frames is not None
    assert encoders.audio is not None
    assert (encoders.frames.dim, encoders.audio.dim) == (1280, 128)


@pytest.mark.parametrize(
    ("source", "least"), [("rooms", 0.75), ("clothing", 0.5), ("cifar100", 0.2), ("tiny_imagenet", 0.12)]
)
def test_the_vision_encoder_classifies_held_out_pictures(shared_data: Path, source: str, least: float) -> None:
    encoder = TrainedFrameEncoder(MODELS / "vision" / "model.safetensors", 64)
    classes = vision_classes()
    pictures = [p for p in read_stills(shared_data) if p.source == source and p.held_out]
    inputs = np.concatenate([encoder.prepare(Frames(p.pixels()[None], np.zeros(1))) for p in pictures])
    best = encoder.beliefs(encoder.encode(inputs)).argmax(axis=1)
    right = [row == classes.rows[label_key(p)] for row, p in zip(best.tolist(), pictures, strict=True)]
    assert np.mean(right) >= least


@pytest.mark.parametrize(
    ("clip", "tag"),
    [
        ("vas_4571131b20.mp4", "dog"),
        ("vggsound_77789ceb8b.mp4", "baby crying"),
        ("misc_104c2085c3.mp4", "speech"),
        ("panda_f01335a47f.mp4", "sea"),
    ],
)
def test_the_starter_bundle_names_objects_and_sounds_without_a_network(shared_data: Path, clip: str, tag: str) -> None:
    with load_tagger(paths.default_bundle()) as tagger:
        answer = tagger.tag(VideoRef(clip, str(shared_data / "clips" / clip)), tagger.selection(10))
    assert tag in {ranked.name for ranked in answer.tags}
    assert "frames" in answer.modalities
