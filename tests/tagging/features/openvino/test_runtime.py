"""Encoders on OpenVINO against those on torch, and the files of converted networks."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tagging
from tagging import paths
from tagging.errors import ArtifactMismatchError
from tagging.features.base import ClassPredictor
from tagging.features.networks.placement import frames_on, sound_on, text_on
from tagging.features.text import SentenceTransformerEncoder
from tagging.features.trained import TrainedFrameEncoder, TrainedSoundEncoder
from tagging.types import Frames

if find_spec("openvino") is None:  # importing it here would start its telemetry
    pytest.skip("needs the extra openvino", allow_module_level=True)

from tagging.features.openvino import conversion
from tagging.features.openvino import runtime as openvino_runtime
from tagging.features.openvino.package import core
from tagging.features.openvino.runtime import OpenVinoRuntime

MODELS = Path(tagging.__file__).parent / "models"
F32 = OpenVinoRuntime("f32")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOTAG_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def sound() -> TrainedSoundEncoder:
    return TrainedSoundEncoder(MODELS / "audio" / "model.safetensors", batch_size=3)


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the networks that were converted."""
    done: list[str] = []
    convert = conversion.convert

    def counted(graph: Any) -> Any:
        done.append(graph.spec.name)
        return convert(graph)

    monkeypatch.setattr(openvino_runtime, "convert", counted)
    return done


def examples(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(-3.0, 2.6, (count, 96, 64)).astype(np.float32)


def largest_angle(got: NDArray[np.float32], want: NDArray[np.float32]) -> float:
    """The largest 1 - cosine of two rows."""
    lengths = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
    return float((1 - (got * want).sum(axis=1) / lengths).max())


def test_sound_gets_the_same_vectors_in_batches_of_any_size(sound: TrainedSoundEncoder) -> None:
    encoder = sound_on(F32, sound)
    assert (encoder.fingerprint, encoder.dim) == (sound.fingerprint, sound.dim)
    for count in (1, 3, 7):
        np.testing.assert_allclose(encoder.encode(examples(count)), sound.encode(examples(count)), atol=1e-5)
    assert isinstance(encoder, ClassPredictor)


def test_frames_get_the_same_vectors_from_bytes() -> None:
    local = TrainedFrameEncoder(MODELS / "vision" / "model.safetensors", batch_size=4)
    encoder = frames_on(F32, local)
    frames = Frames(np.random.default_rng(1).integers(0, 256, (5, 90, 160, 3), np.uint8), np.arange(5.0))
    inputs = encoder.prepare(frames)
    assert inputs.dtype == np.uint8
    want = local.encode(local.prepare(frames))
    np.testing.assert_allclose(encoder.encode(inputs), want, atol=1e-4)
    assert largest_angle(encoder.encode(inputs), want) < 1e-6


def test_texts_of_many_lengths_get_the_same_vectors(tiny_text: Path) -> None:
    local = SentenceTransformerEncoder(tiny_text, max_tokens=64, batch_size=8)
    encoder = text_on(F32, local)
    texts = ["x", "two cats", "猫 собака", *(" ".join(["a dog and a cat"] * count) for count in range(1, 40))]
    np.testing.assert_allclose(encoder.encode(texts), local.encode(texts), atol=1e-5)
    assert encoder.encode([]).shape == (0, local.dim)


def test_bf16_has_a_fingerprint_of_its_own_and_nearly_the_same_vectors(sound: TrainedSoundEncoder) -> None:
    if "BF16" not in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("the processor has no bf16")
    encoder = sound_on(OpenVinoRuntime("bf16"), sound)
    assert encoder.fingerprint != sound.fingerprint
    got, want = encoder.encode(examples(6)), sound.encode(examples(6))
    assert 1e-7 < largest_angle(got, want) < 1e-3


def test_threads_that_encode_at_once_get_their_own_rows(sound: TrainedSoundEncoder) -> None:
    encoder = sound_on(F32, sound)
    inputs = [examples(count, seed=count) for count in range(1, 17)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(encoder.encode, inputs))
    for rows, given in zip(found, inputs, strict=True):
        np.testing.assert_allclose(rows, sound.encode(given), atol=1e-5)


def test_a_converted_network_is_kept_for_both_precisions(sound: TrainedSoundEncoder, conversions: list[str]) -> None:
    want = sound_on(F32, sound).encode(examples(2))
    np.testing.assert_allclose(sound_on(F32, sound).encode(examples(2)), want, atol=1e-5)
    sound_on(OpenVinoRuntime("bf16"), sound)
    assert conversions == ["audio"]
    assert [file.suffix for file in paths.converted().iterdir()] == [".safetensors"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"x" * 99,
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 64]) + data[len(data) // 2 + 1 :],
    ],
    ids=["cut", "empty", "another", "one bit"],
)
def test_a_damaged_file_is_converted_again(
    damage: Callable[[bytes], bytes],
    sound: TrainedSoundEncoder,
    conversions: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    sound_on(F32, sound)
    [file] = paths.converted().iterdir()
    file.write_bytes(damage(file.read_bytes()))
    np.testing.assert_allclose(sound_on(F32, sound).encode(examples(2)), sound.encode(examples(2)), atol=1e-5)
    assert conversions == ["audio", "audio"]
    assert "converted again" in caplog.text
    sound_on(F32, sound)
    assert conversions == ["audio", "audio"]


def test_a_conversion_removes_the_files_that_were_not_used_for_long(
    sound: TrainedSoundEncoder, conversions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sound_on(F32, sound)
    [used] = paths.converted().iterdir()
    old, recent = (used.with_name(f"frames-{name}.safetensors") for name in ("old", "recent"))
    for file, age in ((used, 2.0), (old, 2.0), (recent, 0.5)):
        file.touch()
        os.utime(file, (time.time() - age * conversion.UNUSED_S,) * 2)
    sound_on(F32, sound)
    monkeypatch.setattr(openvino_runtime, "MODULES", openvino_runtime.MODULES + 1)
    sound_on(F32, sound)
    assert conversions == ["audio", "audio"]
    assert [file.exists() for file in (used, recent, old)] == [True, True, False]
    assert len([*paths.converted().glob("audio-*")]) == 2


def test_a_folder_that_cannot_be_written_is_a_warning(
    sound: TrainedSoundEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VIDEOTAG_HOME", str(tmp_path / "file"))
    assert sound_on(F32, sound).encode(examples(1)).shape == (1, sound.dim)
    assert "cannot be written" in caplog.text


def test_a_conversion_that_computes_something_else_is_refused(
    sound: TrainedSoundEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = sound.encode
    monkeypatch.setattr(sound, "encode", lambda inputs: encode(inputs) + 1e-3)
    with pytest.raises(ArtifactMismatchError, match="audio by OpenVINO: tokens differs"):
        sound_on(F32, sound)
    assert not paths.converted().exists()


def test_nothing_reports_usage_to_anyone(tmp_path: Path) -> None:
    """In a process of its own: the import alone reports, to threads and processes that a test could not see."""
    program = (
        "import sys; from pathlib import Path; from tests.tagging.features.openvino.test_runtime import *;"
        "sound_on(F32, TrainedSoundEncoder(MODELS / 'audio' / 'model.safetensors', batch_size=3));"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])"
    )
    variables = {**os.environ, "HOME": str(tmp_path), "VIDEOTAG_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert [folder.name for folder in tmp_path.iterdir() if not folder.name.startswith(".")] == ["home"]
