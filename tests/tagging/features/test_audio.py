import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tagging.errors import ArtifactMismatchError
from tagging.features.audio import VggishEncoder
from tagging.features.log_mel import log_mel
from tests.support.encoders import noise


@pytest.fixture(scope="module")
def encoder(vggish_weights: Path) -> VggishEncoder:
    return VggishEncoder(vggish_weights, batch_size=2)


@pytest.fixture(scope="module")
def library(vggish_weights: Path) -> Any:
    from torchvggish.torchvggish import _vgg

    model = _vgg(postprocess=False)
    model.load_state_dict(torch.load(vggish_weights, weights_only=True))
    return model.eval()


def test_rows_equal_those_of_the_library_without_pca(encoder: VggishEncoder, library: Any) -> None:
    inputs = encoder.prepare(noise(5.0))
    assert inputs.shape == (5, 96, 64)
    with torch.inference_mode():
        want = library(torch.from_numpy(inputs)[:, None]).numpy()
    got = encoder.encode(inputs)
    assert got.shape == (5, 128) == (5, encoder.dim)
    assert got.dtype == np.float32
    assert want.max() > 0.01
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_the_batch_size_does_not_change_the_rows(vggish_weights: Path, encoder: VggishEncoder) -> None:
    inputs = encoder.prepare(noise(4.0))
    other = VggishEncoder(vggish_weights, batch_size=50)
    np.testing.assert_allclose(other.encode(inputs), encoder.encode(inputs), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other.encode(inputs[:1]), encoder.encode(inputs)[:1], rtol=1e-4, atol=1e-5)
    assert other.fingerprint == encoder.fingerprint


def test_no_examples_give_no_rows(encoder: VggishEncoder) -> None:
    assert encoder.encode(log_mel(noise(0.5))).shape == (0, 128)


def test_the_fingerprint_follows_the_weights(vggish_weights: Path, encoder: VggishEncoder, tmp_path: Path) -> None:
    copied = Path(shutil.copy(vggish_weights, tmp_path / "other-name.pth"))
    assert VggishEncoder(copied, batch_size=2).fingerprint == encoder.fingerprint
    state = torch.load(copied, weights_only=True)
    torch.save(state | {"embeddings.4.bias": torch.ones(128)}, copied)
    assert VggishEncoder(copied, batch_size=2).fingerprint != encoder.fingerprint


@pytest.mark.parametrize("kind", ["junk", "empty", "other", "tensor", "wide"])
def test_a_file_of_another_model_is_one_clear_error(tmp_path: Path, vggish_weights: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.pth"
    match kind:
        case "junk":
            path.write_bytes(b"this is no checkpoint" * 10)
        case "empty":
            path.touch()
        case "other":
            torch.save({"a": torch.zeros(3)}, path)
        case "tensor":
            torch.save(torch.zeros(3), path)
        case "wide":
            torch.save(torch.load(vggish_weights, weights_only=True) | {"embeddings.4.bias": torch.ones(9)}, path)
    with pytest.raises(ArtifactMismatchError, match="is no VGGish state dict") as caught:
        VggishEncoder(path, batch_size=2)
    assert "\n" not in caught.value.message
