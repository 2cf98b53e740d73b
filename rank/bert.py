"""Small BERT text encoder for titles and tag names (Devlin et al. 2019; four layers as in TinyBERT, Jiao et al. 2020).

The layers are torch's own, which compute the same function as BERT's; a folder written by transformers provides the
initial weights. The lower layers are frozen: their output for a text is computed once and stored, so that training runs
a text through the upper layers only.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import BertWordPieceTokenizer, Tokenizer
from torch import Tensor

from tagging.bert import EPSILON, Bert, BertShape, pooled
from tagging.errors import ArtifactMismatchError
from tagging.ragged import Tokens, starts_of
from tagging.text.normalise import plain

AT_ONCE = 64  # texts of similar length
TOKENIZED_AT_ONCE = 4096  # the tokenizer returns much more for each token than its id
# The variant that torch's layers compute; some other models (RoBERTa) use the same weight names.
SAME = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute", "layer_norm_eps": EPSILON}


class TextTokenizer:
    """Texts to token ids. A text longer than `max_tokens` is truncated, but keeps its last token; see `lengths`."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def ids(self, texts: Sequence[str], limit: int) -> list[NDArray[np.int64]]:
        """Return the token ids of each text; limit: number of positions of the model that reads them."""
        limit = min(limit, self.max_tokens)
        return [
            _truncated(np.array(encoding.ids, np.int64), limit)
            for start in range(0, len(texts), TOKENIZED_AT_ONCE)
            for encoding in self._tokenizer.encode_batch(list(map(plain, texts[start : start + TOKENIZED_AT_ONCE])))
        ]

    def lengths(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (B,) the number of tokens of each text before truncation."""
        return np.array(
            [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(map(plain, texts)))], np.int64
        )

    def save(self, path: Path) -> None:
        self._tokenizer.save(str(path), pretty=False)


def load_tokenizer(path: Path, max_tokens: int) -> TextTokenizer:
    """Load a tokenizer.json or vocab.txt. Raises ArtifactMismatchError if the file is neither."""
    try:
        if path.name == "vocab.txt":
            return TextTokenizer(BertWordPieceTokenizer(str(path))._tokenizer, max_tokens)
        return TextTokenizer(Tokenizer.from_file(str(path)), max_tokens)
    except Exception as error:  # tokenizers raises plain Exception
        raise ArtifactMismatchError(f"{path} is no tokenizer: {_one_line(error)}") from error


@torch.inference_mode()
def encode_lower_layers(bert: Bert, tokenizer: TextTokenizer, texts: Sequence[str], layers: int) -> Tokens:
    """Return the output of the first `layers` layers for each token of each text, in half precision.

    If these are all layers, the mean over the tokens is returned as a single token per text.
    An empty text consists of its two special tokens.
    """
    ids = tokenizer.ids(texts, bert.shape.positions)
    lengths = np.array([len(tokens) for tokens in ids], np.int64)
    order = np.argsort(lengths, kind="stable")
    is_last = layers == bert.shape.layers
    starts = starts_of(np.minimum(lengths, 1) if is_last else lengths)
    values = np.empty((starts[-1], bert.shape.width), np.float16)
    device = bert.words.weight.device
    for start in range(0, len(order), AT_ONCE):
        rows = order[start : start + AT_ONCE]
        padded, mask = _padded([ids[row] for row in rows])
        padded, mask = padded.to(device), mask.to(device)
        batch = bert.through(bert.enter(padded), mask, slice(layers))
        if is_last:
            batch, mask = pooled(batch, mask)[:, None], mask[:, :1]
        for row, states, present in zip(rows.tolist(), batch.half().cpu().numpy(), mask.cpu().numpy(), strict=True):
            values[starts[row] : starts[row + 1]] = states[present]
    return Tokens(starts, values)


def load_bert(folder: Path, layers: Sequence[int]) -> tuple[Bert, Path]:
    """Load the given layers of the BERT in a folder; return it with the path of its tokenizer.

    Raises ArtifactMismatchError if the folder contains no BERT, or fewer layers.
    """
    try:
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = _tensors(folder)
        tokenizers = [folder / name for name in ("tokenizer.json", "vocab.txt") if (folder / name).exists()]
        if not tokenizers:
            raise ValueError("it has no tokenizer")
        if other := {name: stored[name] for name, value in SAME.items() if stored.get(name, value) != value}:
            raise ValueError(f"its config.json says {other}")
        if max(layers) >= stored["num_hidden_layers"]:
            raise ValueError(f"it has {stored['num_hidden_layers']} layers")
        bert = Bert(
            BertShape(
                stored["vocab_size"], stored["max_position_embeddings"], stored["hidden_size"],
                stored["num_attention_heads"], stored["intermediate_size"], len(layers),
            )
        )  # fmt: skip
        bert.load_state_dict(_renamed(tensors, layers))
    except Exception as error:  # json, safetensors, pickle and torch each raise errors of their own
        raise ArtifactMismatchError(
            f"{folder} is no BERT that layers {list(layers)} could be taken of: {_one_line(error)}",
            "name a folder with config.json, model.safetensors or pytorch_model.bin, and tokenizer.json or vocab.txt",
        ) from error
    return bert.eval(), tokenizers[0]


def _tensors(folder: Path) -> dict[str, Tensor]:
    weights = folder / "model.safetensors"
    tensors = (
        load_file(weights) if weights.exists() else torch.load(folder / "pytorch_model.bin", "cpu", weights_only=True)
    )
    return {_current_name(name.removeprefix("bert.")): value.float() for name, value in tensors.items()}


def _current_name(name: str) -> str:
    """Return the current name of a weight: the oldest BERTs, also Google's own, name norms as TensorFlow did."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _renamed(tensors: dict[str, Tensor], layers: Sequence[int]) -> dict[str, Tensor]:
    """Return the state dict of `Bert` from transformers' names and tensors. Token type 0 is added to the positions."""
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
    for index, layer in enumerate(layers):
        source, target = f"encoder.layer.{layer}.", f"layers.{index}."
        for kind in ("weight", "bias"):
            projections = [tensors[f"{source}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            state[f"{target}self_attn.in_proj_{kind}"] = torch.cat(projections)
            for part, name in parts.items():
                state[f"{target}{part}.{kind}"] = tensors[f"{source}{name}.{kind}"]
    return state


def _truncated(ids: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    return ids if len(ids) <= limit else np.append(ids[: limit - 1], ids[-1])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _padded(ids: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, ids))
    padded, mask = np.zeros((len(ids), longest), np.int64), np.zeros((len(ids), longest), np.bool_)
    for row, tokens in enumerate(ids):
        padded[row, : len(tokens)], mask[row, : len(tokens)] = tokens, True
    return torch.from_numpy(padded), torch.from_numpy(mask)
