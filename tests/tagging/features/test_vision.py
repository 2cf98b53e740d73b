import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tagging.config.encoders import OpenClipConfig
from tagging.errors import ArtifactMismatchError, InvalidConfigError, MissingWeightsError
from tagging.features.vision import OpenClipEncoder
from tagging.features.weights import ClipSource, clip_source
from tagging.types import Frames
from tests.support.encoders import TINY_CLIP, put_in_hub_cache


def load(model: str, weights: str = "", batch_size: int = 2) -> OpenClipEncoder:
    return OpenClipEncoder(clip_source(OpenClipConfig(backend="open-clip", model=model, weights=weights)), batch_size)


@pytest.fixture(scope="module", params=["weights.pt", "weights.safetensors", "folder", "hub"])
def encoder_and_library(request: pytest.FixtureRequest, open_clip: Any, tiny_clip: Path) -> tuple[OpenClipEncoder, Any]:
    """Return our encoder, and (model, preprocess) of the library for the same weights."""
    if request.param in ("folder", "hub"):
        model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
        if request.param == "folder":
            return load("tiny-clip", str(tiny_clip)), (model, preprocess)
        with pytest.MonkeyPatch.context() as patch:
            cache = tiny_clip.parent / "hub"
            patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
            put_in_hub_cache(cache, "some/tiny-clip", tiny_clip)
            return load("hf-hub:some/tiny-clip"), (model, preprocess)
    path = str(tiny_clip.parent / request.param)
    model, _, preprocess = open_clip.create_model_and_transforms("tiny-clip", pretrained=path)
    return load("tiny-clip", path), (model, preprocess)


def test_pictures_are_prepared_exactly_as_the_library_does(
    encoder_and_library: tuple[OpenClipEncoder, Any], pictures: Frames
) -> None:
    encoder, (_, preprocess) = encoder_and_library
    got = encoder.prepare(pictures)
    assert got.shape == (5, 3, 32, 32)
    assert got.dtype == np.float32
    for row, picture in zip(got, pictures.pixels, strict=True):
        assert np.array_equal(row, preprocess(Image.fromarray(picture)).numpy())


def test_rows_equal_the_unit_features_of_the_library(
    encoder_and_library: tuple[OpenClipEncoder, Any], pictures: Frames
) -> None:
    encoder, (model, preprocess) = encoder_and_library
    batch = torch.stack([preprocess(Image.fromarray(picture)) for picture in pictures.pixels])
    with torch.inference_mode():
        want = model.eval().encode_image(batch, normalize=True).numpy()
    got = encoder.encode(encoder.prepare(pictures))
    assert got.shape == (5, encoder.dim) == (5, 32)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)


def test_the_batch_size_does_not_change_the_rows(tiny_clip: Path, open_clip: Any, pictures: Frames) -> None:
    single, batched = (load("tiny-clip", str(tiny_clip), size) for size in (1, 100))
    inputs = single.prepare(pictures)
    np.testing.assert_allclose(single.encode(inputs), batched.encode(inputs), atol=1e-5)
    assert np.array_equal(batched.encode(inputs), batched.encode(inputs))
    assert single.fingerprint == batched.fingerprint


def test_no_pictures_give_no_rows(tiny_clip: Path, open_clip: Any) -> None:
    assert load("tiny-clip", str(tiny_clip)).encode(np.zeros((0, 3, 32, 32), np.float32)).shape == (0, 32)


def test_a_pretrained_tag_sets_preprocessing_and_activation(tiny_clip: Path, open_clip: Any, pictures: Frames) -> None:
    tag = {
        "quick_gelu": True,
        "mean": (0.1, 0.2, 0.3),
        "std": (1.0, 1.0, 1.0),
        "hf_hub": "o/n/",
        "interpolation": "bilinear",
    }
    path = tiny_clip.parent / "weights.pt"
    tagged = OpenClipEncoder(ClipSource(path, "tiny-clip", tag), 2)
    model, _, preprocess = open_clip.create_model_and_transforms(
        "tiny-clip",
        pretrained=str(path),
        force_quick_gelu=True,
        image_mean=(0.1, 0.2, 0.3),
        image_std=(1.0, 1.0, 1.0),
        image_interpolation="bilinear",
    )
    batch = torch.stack([preprocess(Image.fromarray(picture)) for picture in pictures.pixels])
    assert np.array_equal(tagged.prepare(pictures), batch.numpy())
    with torch.inference_mode():
        want = model.eval().encode_image(batch, normalize=True).numpy()
    np.testing.assert_allclose(tagged.encode(batch.numpy()), want, atol=1e-5)
    assert tagged.fingerprint != load("tiny-clip", str(path)).fingerprint


def test_the_fingerprint_follows_weights_and_preprocessing(tiny_clip: Path, open_clip: Any, tmp_path: Path) -> None:
    def make(folder: Path) -> str:
        return load("tiny-clip", str(folder)).fingerprint

    copied = Path(shutil.copytree(tiny_clip, tmp_path / "copy"))
    first = make(copied)
    assert first == make(tiny_clip)
    described = json.loads((copied / "open_clip_config.json").read_text())
    described["preprocess_cfg"]["mean"] = [0.0, 0.0, 0.0]
    (copied / "open_clip_config.json").write_text(json.dumps(described))
    second = make(copied)
    state = torch.load(tiny_clip.parent / "weights.pt", weights_only=True)
    state["logit_scale"] += 1
    torch.save(state, copied / "open_clip_pytorch_model.bin")
    (copied / "open_clip_model.safetensors").unlink()
    assert len({first, second, make(copied)}) == 3


@pytest.mark.parametrize("kind", ["junk.pt", "junk.safetensors", "empty.pt", "other.pt", "tensor.pt", "wide.pt"])
def test_a_file_that_is_not_a_checkpoint_of_the_model_is_one_clear_error(
    tmp_path: Path, tiny_clip: Path, open_clip: Any, kind: str
) -> None:
    path = tmp_path / kind
    match kind.split(".", maxsplit=1)[0]:
        case "junk":
            path.write_bytes(b"this is no checkpoint" * 10)
        case "empty":
            path.touch()
        case "other":
            torch.save({"a": torch.zeros(3)}, path)
        case "tensor":
            torch.save(torch.zeros(3), path)
        case "wide":
            state = torch.load(tiny_clip.parent / "weights.pt", weights_only=True)
            torch.save(state | {"visual.proj": torch.zeros(64, 48)}, path)
    with pytest.raises(ArtifactMismatchError, match=kind) as caught:
        load("tiny-clip", str(path))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", ["{", "{}", '{"model_cfg": {"embed_dim": 3}}', "[]"])
def test_a_folder_without_a_model_description_is_one_clear_error(
    tmp_path: Path, tiny_clip: Path, open_clip: Any, text: str
) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "odd"))
    (folder / "open_clip_config.json").write_text(text)
    with pytest.raises(ArtifactMismatchError):
        load("tiny-clip", str(folder))


@pytest.mark.parametrize("lost", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_a_folder_without_description_or_weights_counts_as_missing(tmp_path: Path, tiny_clip: Path, lost: str) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "half"))
    (folder / lost).unlink()
    with pytest.raises(MissingWeightsError, match="no complete open_clip model"):
        load("tiny-clip", str(folder))


def test_an_unknown_architecture_is_a_config_error(tiny_clip: Path) -> None:
    with pytest.raises(InvalidConfigError, match="no-such-model"):
        load("no-such-model", str(tiny_clip.parent / "weights.pt"))


def test_a_text_tower_from_the_hub_is_refused_and_not_downloaded(tiny_clip: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "roberta"))
    described = {"model_cfg": TINY_CLIP | {"text_cfg": {"hf_model_name": "roberta-base"}}}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    with pytest.raises(InvalidConfigError, match="roberta-base"):
        load("tiny-clip", str(folder))
