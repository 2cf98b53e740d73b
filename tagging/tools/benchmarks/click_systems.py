"""Baselines of click prediction: the networks of torch-rechub (MIT) behind the inputs of our click model.

All read the same fields, each as a mean of embeddings of the same width, with the same first values; perceptrons have
the same layers. LR and FM are put together from the library's layers, as it has no model of them alone.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch_rechub.basic.features import SequenceFeature
from torch_rechub.basic.initializers import RandomNormal
from torch_rechub.basic.layers import FM, LR, EmbeddingLayer
from torch_rechub.models.ranking import DCN, AutoInt, DeepFM

from tagging.config.clicks import ClicksConfig
from tagging.recommendation.clicks.embedding import FIRST
from tagging.recommendation.clicks.impressions import PADDING
from tagging.recommendation.clicks.network import ClickNetwork
from tagging.tools.benchmarks.click_trials import Build

OURS = "MHSA + AC"
CROSS_LAYERS = 3  # of DCN


class FactorizationMachine(nn.Module):
    """A linear part of the embeddings and, for FM, the products of all pairs of them."""

    def __init__(self, features: list[SequenceFeature], pairs: bool) -> None:
        super().__init__()
        self.features = features
        self.embedding = EmbeddingLayer(features)
        self.linear = LR(sum(feature.embed_dim for feature in features))
        self.pairs = FM(reduce_sum=True) if pairs else None

    def forward(self, fields: Mapping[str, Tensor]) -> Tensor:
        x = self.embedding(fields, self.features)  # (B, F, D)
        logits = self.linear(x.flatten(1))
        return torch.as_tensor((logits if self.pairs is None else logits + self.pairs(x)).squeeze(1))


class Logits(nn.Module):
    """A network of the library that returns probabilities, of which the logits are taken."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, fields: Mapping[str, Tensor]) -> Tensor:
        return torch.logit(self.network(fields), eps=1e-6)


def features(sizes: Mapping[str, int], config: ClicksConfig) -> list[SequenceFeature]:
    first = RandomNormal(0, FIRST)
    return [
        SequenceFeature(name, size, config.width, "mean", padding_idx=PADDING, initializer=first)
        for name, size in sizes.items()
    ]


def perceptron(config: ClicksConfig) -> dict[str, object]:
    return {"dims": list(config.hidden), "dropout": config.dropout, "activation": "relu"}


def _deep_fm(sizes: Mapping[str, int], config: ClicksConfig) -> nn.Module:
    read = features(sizes, config)
    return Logits(DeepFM(read, read, perceptron(config)))


def _dcn(sizes: Mapping[str, int], config: ClicksConfig) -> nn.Module:
    return Logits(DCN(features(sizes, config), CROSS_LAYERS, perceptron(config)))


def _auto_int(sizes: Mapping[str, int], config: ClicksConfig) -> nn.Module:
    return Logits(AutoInt(features(sizes, config), [], config.layers, config.heads, mlp_params=perceptron(config)))


SYSTEMS: dict[str, Build] = {
    "LR": lambda sizes, config: FactorizationMachine(features(sizes, config), pairs=False),
    "FM": lambda sizes, config: FactorizationMachine(features(sizes, config), pairs=True),
    "DeepFM": _deep_fm,
    "AutoInt": _auto_int,
    "DCN": _dcn,
    OURS: ClickNetwork,
}
