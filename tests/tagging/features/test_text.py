import gc
import json
import shutil
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagging.errors import ArtifactMismatchError
from tagging.features.base import TextEncoder
from tagging.features.text import SentenceTransformerEncoder
from tagging.features.torchvision_compat import repair_torchvision

TEXTS = (
    "How to bake sourdough bread",
    "",
    "パンの焼き方 初心者向け",
    "FAST cars " * 40,
    "كرة القدم",
    "bread",
    "How to bake sourdough bread",
)


@pytest.fixture(scope="module")
def encoder(tiny_text: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(tiny_text, max_tokens=64, batch_size=3)


@pytest.fixture(scope="module")
def library(tiny_text: Path) -> Any:
    repair_torchvision()
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_text), device="cpu", local_files_only=True)
    model.max_seq_length = 64
    return model


class Watched:
    """A function that records how many threads are in it at once."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._inside = 0
        self.most_inside = 0

    def __call__(self, *args: Any, **options: Any) -> Any:
        self._inside += 1
        self.most_inside = max(self.most_inside, self._inside)
        time.sleep(0.01)  # for the other threads to arrive
        result = self._function(*args, **options)
        self._inside -= 1
        return result


def test_threads_use_the_tokenizers_in_turn(
    encoder: SentenceTransformerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = encoder.encode(TEXTS)
    tokenizer, model = Watched(encoder.texts._tokenizer), Watched(encoder.model.encode)
    monkeypatch.setattr(encoder.texts, "_tokenizer", tokenizer)
    monkeypatch.setattr(encoder.model, "encode", model)
    with ThreadPoolExecutor(3) as threads:
        for got in threads.map(encoder.encode, [TEXTS] * 3):
            np.testing.assert_array_equal(got, want)
    assert (tokenizer.most_inside, model.most_inside) == (1, 1)


def test_rows_equal_those_of_the_library_in_the_order_of_the_texts(encoder: TextEncoder, library: Any) -> None:
    got = encoder.encode(TEXTS)
    assert got.shape == (len(TEXTS), encoder.dim)
    assert got.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(got, library.encode(list(TEXTS), normalize_embeddings=True), atol=1e-5)


def test_the_packaged_model_agrees_with_the_library(minilm: Path) -> None:
    repair_torchvision()
    from sentence_transformers import SentenceTransformer

    got = SentenceTransformerEncoder(minilm, max_tokens=256, batch_size=2).encode(TEXTS)
    want = SentenceTransformer(str(minilm), device="cpu").encode(list(TEXTS), normalize_embeddings=True)
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert got[0] @ got[5] > got[0] @ got[3] + 0.2  # bread is nearer to bread than to cars


def test_a_truncated_model_file_does_not_affect_a_loaded_model(tiny_text: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_text, tmp_path / "model")
    encoder = SentenceTransformerEncoder(folder, max_tokens=64, batch_size=3)
    want = encoder.encode(TEXTS)
    assert str(folder) not in Path("/proc/self/maps").read_text()  # otherwise the next line would crash this process
    (folder / "model.safetensors").write_bytes(b"")
    np.testing.assert_array_equal(encoder.encode(TEXTS), want)


def test_an_unused_encoder_is_freed_at_once(tiny_text: Path) -> None:
    gc.disable()  # it would collect reference cycles at any time
    try:
        encoder = SentenceTransformerEncoder(tiny_text, max_tokens=64, batch_size=3)
        encoder.encode(TEXTS)
        model, weight = weakref.ref(encoder.model), weakref.ref(next(encoder.model.parameters()))
        assert model() is not None
        del encoder
        assert (model(), weight()) == (None, None)
    finally:
        gc.enable()


def test_the_batch_size_does_not_change_the_rows(tiny_text: Path, encoder: TextEncoder) -> None:
    for batch_size in (1, 2, 100):
        other = SentenceTransformerEncoder(tiny_text, max_tokens=64, batch_size=batch_size)
        np.testing.assert_allclose(other.encode(TEXTS), encoder.encode(TEXTS), atol=1e-5)
    assert np.array_equal(encoder.encode(TEXTS), encoder.encode(TEXTS))


def test_no_texts_give_no_rows(encoder: TextEncoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)
    assert encoder.token_counts([]).shape == (0,)


def test_token_counts_are_those_of_the_tokenizer_before_truncation(encoder: TextEncoder, library: Any) -> None:
    want = [len(library.tokenizer.tokenize(text)) + 2 for text in TEXTS]  # [CLS] and [SEP]
    assert encoder.token_counts(TEXTS).tolist() == want
    assert max(want) > encoder.max_tokens
    assert encoder.token_counts(["word " * 2000]).tolist() == [2002]


def test_text_after_max_tokens_is_ignored(encoder: TextEncoder) -> None:
    first, second, third = encoder.encode(["word " * 62 + "one", "word " * 62 + "two", "word " * 61 + "one"])
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert not np.allclose(first, third, atol=1e-4)


def test_max_tokens_never_exceeds_the_models_own(tiny_text: Path) -> None:
    assert SentenceTransformerEncoder(tiny_text, max_tokens=10_000, batch_size=1).max_tokens == 256


def test_the_fingerprint_follows_weights_and_max_tokens_only(tiny_text: Path, tmp_path: Path) -> None:
    base = SentenceTransformerEncoder(tiny_text, max_tokens=64, batch_size=3)
    copied = Path(shutil.copytree(tiny_text, tmp_path / "copy"))
    assert SentenceTransformerEncoder(copied, max_tokens=64, batch_size=9).fingerprint == base.fingerprint
    shorter = SentenceTransformerEncoder(tiny_text, max_tokens=32, batch_size=3).fingerprint
    pooling = copied / "1_Pooling" / "config.json"
    settings = json.loads(pooling.read_text()) | {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    pooling.write_text(json.dumps(settings))
    changed = SentenceTransformerEncoder(copied, max_tokens=64, batch_size=3).fingerprint
    assert len({base.fingerprint, shorter, changed}) == 3


def test_a_default_prompt_precedes_every_text_and_is_counted(tiny_text: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_text, tmp_path / "prompted"))
    settings = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    plain = SentenceTransformerEncoder(tiny_text, max_tokens=64, batch_size=3)
    prompted = SentenceTransformerEncoder(folder, max_tokens=64, batch_size=3)
    np.testing.assert_allclose(prompted.encode(["bread"]), plain.encode(["query: bread"]), atol=1e-6)
    assert prompted.token_counts(["bread"]) == plain.token_counts(["query: bread"])


def test_a_checkpoint_of_random_bytes_is_one_clear_error(tiny_text: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_text, tmp_path / "junk"))
    (folder / "model.safetensors").write_bytes(b"this is no checkpoint" * 10)
    with pytest.raises(ArtifactMismatchError, match="is no sentence-transformers model") as caught:
        SentenceTransformerEncoder(folder, max_tokens=64, batch_size=3)
    assert "\n" not in caught.value.message


def test_a_checkpoint_of_another_shape_is_one_clear_error(tiny_text: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_text, tmp_path / "wide"))
    config = json.loads((folder / "config.json").read_text()) | {"hidden_size": 48}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactMismatchError) as caught:
        SentenceTransformerEncoder(folder, max_tokens=64, batch_size=3)
    assert "\n" not in caught.value.message


def test_a_checkpoint_without_a_tensor_is_refused_and_not_initialised_at_random(
    tiny_text: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(tiny_text, tmp_path / "holes"))
    state = load_file(folder / "model.safetensors")
    del state["encoder.layer.1.output.dense.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ArtifactMismatchError, match="lacks tensors"):
        SentenceTransformerEncoder(folder, max_tokens=64, batch_size=3)
