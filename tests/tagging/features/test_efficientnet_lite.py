"""EfficientNet-Lite as the encoder of frames."""

import io
import pickle
import re
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from tagging.config.encoders import EfficientNetLiteConfig, EncodersConfig
from tagging.errors import ArtifactMismatchError, MissingWeightsError
from tagging.features.base import ClassPredictor
from tagging.features.efficientnet_lite import EfficientNetLiteEncoder
from tagging.features.efficientnet_lite_network import SCALES, load_network
from tagging.features.factory import check_weights, load_encoders
from tagging.features.frame_words import read_classes
from tagging.features.torchvision_compat import repair_torchvision
from tagging.features.weights import EFFICIENTNET_LITE, efficientnet_lite_file
from tagging.types import Frames

CONFIG = EfficientNetLiteConfig(backend="efficientnet-lite")


@pytest.fixture(scope="module")
def encoder() -> EfficientNetLiteEncoder:
    return EfficientNetLiteEncoder(efficientnet_lite_file(CONFIG), CONFIG)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    loaded: dict[str, Tensor] = torch.load(efficientnet_lite_file(CONFIG), weights_only=True)
    return loaded


def frames(count: int, height: int = 90, width: int = 160) -> Frames:
    pixels = np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)
    return Frames(pixels, np.arange(count, dtype=np.float64))


@pytest.mark.skipif(find_spec("timm") is None, reason="needs the extra clip")
def test_the_network_agrees_with_timm(state: dict[str, Tensor]) -> None:
    repair_torchvision()
    import timm

    reference = timm.create_model("tf_efficientnet_lite2").eval()
    renamed = dict(zip(reference.state_dict(), state.values(), strict=True))  # in the same order, under other names
    reference.load_state_dict(renamed)
    network = load_network(SCALES["lite2"], state).eval()
    pixels = torch.randn(2, 3, 260, 260, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network.classes(network(pixels)), reference(pixels), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(90, 160), (160, 90), (1, 1), (260, 260)])
def test_frames_of_any_shape_become_one_token_each(encoder: EfficientNetLiteEncoder, height: int, width: int) -> None:
    inputs = encoder.prepare(frames(2, height, width))
    assert inputs.shape == (2, 3, 260, 260)
    assert encoder.encode(inputs).shape == (2, 1280)
    assert encoder.encode(inputs[:0]).shape == (0, 1280)


def test_a_picture_of_the_right_size_is_only_scaled_to_about_one(encoder: EfficientNetLiteEncoder) -> None:
    picture = frames(1, 260, 260)
    inputs = encoder.prepare(picture)
    for y, x, channel in ((0, 0, 0), (259, 3, 1), (17, 200, 2)):
        assert inputs[0, channel, y, x] == (float(picture.pixels[0, y, x, channel]) - 127) / 128


def test_the_whole_picture_is_seen(encoder: EfficientNetLiteEncoder) -> None:
    pixels = np.zeros((1, 100, 300, 3), np.uint8)
    pixels[:, :, 250:] = 255  # outside of any centred square
    inputs = encoder.prepare(Frames(pixels, np.zeros(1)))
    assert inputs[0, :, :, 260 * 5 // 6 + 5 :].min() == 1.0
    assert inputs[0, :, :, : 260 * 5 // 6 - 5].max() == pytest.approx(-127 / 128)


def test_a_token_does_not_depend_on_its_batch(encoder: EfficientNetLiteEncoder) -> None:
    inputs = encoder.prepare(frames(5))
    alone = np.concatenate([encoder.encode(frame[None]) for frame in inputs])
    np.testing.assert_allclose(encoder.encode(inputs), alone, atol=1e-4)


def test_probabilities_of_imagenets_classes_sum_to_one_and_words_are_added(encoder: EfficientNetLiteEncoder) -> None:
    assert isinstance(encoder, ClassPredictor)
    beliefs = encoder.beliefs(encoder.encode(encoder.prepare(frames(3))))
    assert beliefs.shape == (3, len(encoder.class_names))
    np.testing.assert_allclose(beliefs[:, :1000].sum(axis=1), 1.0, atol=1e-5)
    assert ((beliefs >= 0) & (beliefs <= 1)).all()


@pytest.mark.parametrize(("table", "classes"), [("imagenet_classes.csv", 1000), ("frame_words.csv", 34)])
def test_class_tables_have_plain_names_and_no_word_twice(table: str, classes: int) -> None:
    names, words = read_classes(table)
    assert len(names) == len(words) == classes
    for name, general in zip(names, words, strict=True):
        spellings = (name, *general)
        assert len(set(spellings)) == len(spellings)
        assert all(re.fullmatch(r"[a-z][a-z0-9 .'&-]*", spelling) for spelling in spellings), spellings


def test_real_pictures_are_named(encoder: EfficientNetLiteEncoder, shared_data: Path) -> None:
    """The archive has one picture of each class, named by its WordNet id; ids ascend with the network's outputs."""
    with zipfile.ZipFile(shared_data / "encoders" / "images" / "imagenet_sample_1000.zip") as archive:
        members = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        chosen = range(0, len(members), 20)
        right = []
        for row in chosen:
            picture = np.asarray(Image.open(io.BytesIO(archive.read(members[row]))).convert("RGB"))
            tokens = encoder.encode(encoder.prepare(Frames(picture[None], np.zeros(1))))
            right.append(int(encoder.beliefs(tokens)[0, :1000].argmax()) == row)
    assert len(members) == 1000
    assert np.mean(right) >= 0.6


def test_a_local_copy_in_either_format_gives_the_same_tokens(
    encoder: EfficientNetLiteEncoder, state: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "copy.safetensors")
    torch.save(state, tmp_path / "copy.pth")
    inputs = encoder.prepare(frames(1))
    want = encoder.encode(inputs)
    for name in ("copy.safetensors", "copy.pth"):
        config = CONFIG.model_copy(update={"weights": str(tmp_path / name)})
        copy = load_encoders(EncodersConfig(text=None, vision=config)).frames
        assert copy is not None
        np.testing.assert_array_equal(copy.encode(inputs), want)


def test_weights_of_another_variant_or_kind_are_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    other = CONFIG.model_copy(update={"variant": "lite1"})
    with pytest.raises(ArtifactMismatchError, match="no EfficientNet-lite1"):
        EfficientNetLiteEncoder(efficientnet_lite_file(CONFIG), other)
    for name, content in (
        ("less.pth", {name: tensor for name, tensor in state.items() if name != "_fc.bias"}),
        ("more.pth", state | {"more": torch.zeros(1)}),
        ("list.pth", [1, 2]),
    ):
        torch.save(content, tmp_path / name)
        with pytest.raises(ArtifactMismatchError, match=name):
            EfficientNetLiteEncoder(tmp_path / name, CONFIG)
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    for name in ("text.pth", "text.safetensors"):
        with pytest.raises(ArtifactMismatchError, match=name):
            EfficientNetLiteEncoder(tmp_path / name, CONFIG)


class _Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code in a pickle ran",))


def test_code_in_a_weights_file_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "code.pth").write_bytes(pickle.dumps(_Runs()))
    with pytest.raises(ArtifactMismatchError):
        EfficientNetLiteEncoder(tmp_path / "code.pth", CONFIG)
    assert "ran" not in capsys.readouterr().out


def test_missing_weights_are_reported_before_anything_is_loaded() -> None:
    with pytest.raises(MissingWeightsError, match="no/such"):
        check_weights(EncodersConfig(text=None, vision=CONFIG.model_copy(update={"weights": "./no/such.pth"})))


def test_the_packaged_variants_differ_in_their_files() -> None:
    assert {file.sha256[:8] in file.path for file in EFFICIENTNET_LITE.values()} == {True}
    assert len({file.distribution for file in EFFICIENTNET_LITE.values()}) == 3
