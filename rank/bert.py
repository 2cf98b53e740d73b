"""A small BERT that reads titles and tag names (Devlin et al. 2019; four layers of it, TinyBERT, Jiao et al. 2020).

Its layers are torch's own, which compute what BERT's do; a folder as transformers writes it gives the first weights.
The lower layers stay as they are: what they make of a text is computed once and kept, so that training reads a text
through the upper ones alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import BertWordPieceTokenizer, Tokenizer
from torch import Tensor, nn

from tagging.errors import ArtifactMismatchError
from tagging.ragged import Tokens, starts_of

AT_ONCE = 64  # texts of like length
TOKENIZED_AT_ONCE = 4096  # a tokenizer says much more of each token than its id
# What torch's layers compute; of other models some have the same names for their weights (RoBERTa).
SAME = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute", "layer_norm_eps": 1e-12}


@dataclass(frozen=True, slots=True)
class BertShape:
    vocabulary: int
    positions: int
    width: int
    heads: int
    inner: int  # of the feed-forward part
    layers: int


class Bert(nn.Module):
    """Word, place and type become a vector, and layers let each word look at the others."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                shape.width, shape.heads, shape.inner, dropout=0.1, activation="gelu", layer_norm_eps=1e-12,
                batch_first=True,
            )
            for _ in range(shape.layers)
        )  # fmt: skip

    def enter(self, ids: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, D)"""
        return torch.as_tensor(self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]]))

    def through(self, states: Tensor, mask: Tensor, layers: slice) -> Tensor:
        """(B, T, D) through some of the layers; mask: (B, T) True where there is a word."""
        for layer in list(self.layers)[layers]:
            states = layer(states, src_key_padding_mask=~mask)
        return states


class TextTokenizer:
    """Texts to token ids; a text longer than `max_tokens` is cut, its last token kept; `lengths` tells which are."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def ids(self, texts: Sequence[str], most: int) -> list[NDArray[np.int64]]:
        """most: tokens that whoever reads them has places for."""
        most = min(most, self.max_tokens)
        return [
            _cut(np.array(one.ids, np.int64), most)
            for start in range(0, len(texts), TOKENIZED_AT_ONCE)
            for one in self._tokenizer.encode_batch(list(texts[start : start + TOKENIZED_AT_ONCE]))
        ]

    def lengths(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text before any cut."""
        return np.array([len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))], np.int64)

    def save(self, path: Path) -> None:
        self._tokenizer.save(str(path), pretty=False)


def load_tokenizer(path: Path, max_tokens: int) -> TextTokenizer:
    """The tokenizer of a file, tokenizer.json or vocab.txt. Raises ArtifactMismatchError where it holds none."""
    try:
        if path.name == "vocab.txt":
            return TextTokenizer(BertWordPieceTokenizer(str(path))._tokenizer, max_tokens)
        return TextTokenizer(Tokenizer.from_file(str(path)), max_tokens)
    except Exception as error:  # tokenizers raises no class of its own
        raise ArtifactMismatchError(f"{path} is no tokenizer: {_one_line(error)}") from error


@torch.inference_mode()
def encode_lower_layers(bert: Bert, tokenizer: TextTokenizer, texts: Sequence[str], layers: int) -> Tokens:
    """What the first `layers` layers make of each word of each text; their mean alone, where no layer comes after.

    A text without a word has its two end tokens.
    """
    ids = tokenizer.ids(texts, bert.shape.positions)
    lengths = np.array([len(one) for one in ids], np.int64)
    order = np.argsort(lengths, kind="stable")
    is_last = layers == bert.shape.layers
    starts = starts_of(np.minimum(lengths, 1) if is_last else lengths)
    values = np.empty((starts[-1], bert.shape.width), np.float16)
    device = bert.words.weight.device
    for start in range(0, len(order), AT_ONCE):
        rows = order[start : start + AT_ONCE]
        padded, mask = _padded([ids[row] for row in rows])
        padded, mask = padded.to(device), mask.to(device)
        here = bert.through(bert.enter(padded), mask, slice(layers))
        if is_last:
            here, mask = pooled(here, mask)[:, None], mask[:, :1]
        for row, states, there in zip(rows.tolist(), here.half().cpu().numpy(), mask.cpu().numpy(), strict=True):
            values[starts[row] : starts[row + 1]] = states[there]
    return Tokens(starts, values)


def pooled(states: Tensor, mask: Tensor) -> Tensor:
    """(B, T, D) -> (B, D) the mean over words, as sentence-transformers pools MiniLM; zeros where there is none."""
    summed = (states * mask[..., None]).sum(dim=1)
    return summed / mask.sum(dim=1, keepdim=True).clamp(min=1)


def load_bert(folder: Path, layers: Sequence[int]) -> tuple[Bert, Path]:
    """These of the layers of the BERT that lies in the folder, and its tokenizer's file.

    Raises ArtifactMismatchError where the folder holds no BERT, or fewer layers.
    """
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = _tensors(folder)
        tokenizers = [folder / name for name in ("tokenizer.json", "vocab.txt") if (folder / name).exists()]
        if not tokenizers:
            raise ValueError("it has no tokenizer")
        if other := {name: said[name] for name, value in SAME.items() if said.get(name, value) != value}:
            raise ValueError(f"its config.json says {other}")
        if max(layers) >= said["num_hidden_layers"]:
            raise ValueError(f"it has {said['num_hidden_layers']} layers")
        bert = Bert(
            BertShape(
                said["vocab_size"], said["max_position_embeddings"], said["hidden_size"], said["num_attention_heads"],
                said["intermediate_size"], len(layers),
            )
        )  # fmt: skip
        bert.load_state_dict(_renamed(tensors, layers))
    except Exception as error:  # json, safetensors, pickle and torch each raise their own
        raise ArtifactMismatchError(
            f"{folder} is no BERT that layers {list(layers)} could be taken of: {_one_line(error)}",
            "name a folder with config.json, model.safetensors or pytorch_model.bin, and tokenizer.json or vocab.txt",
        ) from error
    return bert.eval(), tokenizers[0]


def _tensors(folder: Path) -> dict[str, Tensor]:
    whole = folder / "model.safetensors"
    tensors = load_file(whole) if whole.exists() else torch.load(folder / "pytorch_model.bin", "cpu", weights_only=True)
    return {_today(name.removeprefix("bert.")): value.float() for name, value in tensors.items()}


def _today(name: str) -> str:
    """The oldest BERTs, Google's own among them, call the weights of norms as TensorFlow did."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _renamed(tensors: dict[str, Tensor], layers: Sequence[int]) -> dict[str, Tensor]:
    """transformers' names of BERT's weights to those of torch's layers; every text is of type 0."""
    first = "embeddings."
    state = {
        "words.weight": tensors[f"{first}word_embeddings.weight"],
        "positions.weight": tensors[f"{first}position_embeddings.weight"]
        + tensors[f"{first}token_type_embeddings.weight"][0],
        "norm.weight": tensors[f"{first}LayerNorm.weight"],
        "norm.bias": tensors[f"{first}LayerNorm.bias"],
    }
    parts = {
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    }
    for place, layer in enumerate(layers):
        theirs, ours = f"encoder.layer.{layer}.", f"layers.{place}."
        for kind in ("weight", "bias"):
            three = [tensors[f"{theirs}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            state[f"{ours}self_attn.in_proj_{kind}"] = torch.cat(three)
            for mine, name in parts.items():
                state[f"{ours}{mine}.{kind}"] = tensors[f"{theirs}{name}.{kind}"]
    return state


def _cut(ids: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return ids if len(ids) <= most else np.append(ids[: most - 1], ids[-1])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _padded(ids: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, ids))
    padded, mask = np.zeros((len(ids), longest), np.int64), np.zeros((len(ids), longest), np.bool_)
    for row, one in enumerate(ids):
        padded[row, : len(one)], mask[row, : len(one)] = one, True
    return torch.from_numpy(padded), torch.from_numpy(mask)
