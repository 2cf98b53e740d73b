"""Modules that are converted for Triton and OpenVINO: an encoder's network, in the tensors of the contract."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from tagging.bert import Bert, pooled
from tagging.features.e5_file import BLOCK, QuantisedTable


class E5Graph(nn.Module):
    """(B, T) ids and mask -> (B, D) unit rows of multilingual-e5.

    The word embeddings are int8 weights and a float16 scale for every 32 of them: their product, of the rows that a
    batch needs, is the float32 row exactly, in a quarter of the size.
    """

    def __init__(self, words: QuantisedTable, bert: Bert) -> None:
        super().__init__()
        self.weights = nn.Buffer(torch.from_numpy(words.integers()))
        self.scales = nn.Buffer(torch.from_numpy(np.ascontiguousarray(words.blocks["scale"])))
        self.bert = bert

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        flat = ids.flatten().long()  # ONNX's gather of several dimensions reads no int32
        scales = self.scales.index_select(0, flat).float()  # (B · T, D / 32)
        weights = self.weights.index_select(0, flat).float().reshape(-1, scales.shape[1], BLOCK)
        words = (weights * scales[..., None]).reshape(*ids.shape, -1)
        states = self.bert.through(self.bert.place(words), mask, slice(None))
        return normalize(pooled(states, mask), dim=1)


class SentenceTransformerGraph(nn.Module):
    """(B, T) ids and mask -> (B, D) unit rows of a sentence-transformers model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        found: dict[str, Any] = self.model({"input_ids": ids.long(), "attention_mask": mask.long()})
        return normalize(found["sentence_embedding"], dim=1)


class FramesGraph(nn.Module):
    """(B, H, W, 3) pixels -> (B, D) tokens: a network of pictures, after the normalisation of its pixels."""

    def __init__(self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """network: (B, 3, H, W) -> (B, D) tokens; mean, deviation: of the channels, for pixels in [0, 255]"""
        super().__init__()
        self.network = network
        self.mean = nn.Buffer(torch.tensor(mean, dtype=torch.float32)[:, None, None])
        self.deviation = nn.Buffer(torch.tensor(deviation, dtype=torch.float32)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.as_tensor(self.network((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.deviation))


class UnitFeatures(nn.Module):
    """The visual tower of open_clip, with unit rows."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.visual(pictures)
        return normalize(
            features[0] if isinstance(features, tuple) else features, dim=-1
        )  # CoCa returns its tokens too


class MeanToken(nn.Module):
    """The mean over the cells of SmallResNet."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.as_tensor(self.network(inputs).mean(dim=1))


class AudioGraph(nn.Module):
    """(B, 96, 64) log-mel examples -> (B, D) tokens."""

    def __init__(self, network: nn.Module, mean: float, deviation: float) -> None:
        """network: (B, 1, 96, 64) -> (B, D); mean, deviation: of the examples"""
        super().__init__()
        self.network = network
        self.mean, self.deviation = mean, deviation

    def forward(self, examples: Tensor) -> Tensor:
        return torch.as_tensor(self.network(((examples - self.mean) / self.deviation)[:, None]))
