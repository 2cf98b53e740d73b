"""Graph of a network and the arithmetic around it, to be converted, with what the in-process one computes."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tagging.errors import ArtifactMismatchError
from tagging.features.networks.base import Arrays
from tagging.features.networks.contract import ModelSpec, Tensor

TOLERANCE = 1e-4  # largest difference from the in-process model


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """One network outside torch modules, and what the in-process model computes for a few inputs."""

    spec: ModelSpec
    module: nn.Module
    fingerprint: str
    inputs: Arrays
    outputs: Arrays


def largest_difference(
    spec: ModelSpec, want: Arrays, got: Arrays, where: str, tolerances: Mapping[str, float] = {}
) -> float:
    """Return the largest absolute difference of outputs. Raises ArtifactMismatchError above a tolerance.

    where: what computed `got`, for the error
    tolerances: of outputs whose tolerance is not TOLERANCE
    """
    return max(
        _difference(spec.name, tensor, want, got, where, tolerances.get(tensor.name, TOLERANCE))
        for tensor in spec.outputs
    )


def _difference(model: str, tensor: Tensor, wanted: Arrays, found: Arrays, where: str, tolerance: float) -> float:
    want, got = wanted[tensor.name], found.get(tensor.name)
    if got is None or got.shape != want.shape:
        shape = None if got is None else got.shape
        raise ArtifactMismatchError(f"{model} by {where}: {tensor.name} has shape {shape}, expected {want.shape}")
    difference = float(np.abs(got - want).max())
    if not difference <= tolerance:
        raise ArtifactMismatchError(
            f"{model} by {where}: {tensor.name} differs by {difference:.2g} from the in-process model, "
            f"more than {tolerance}",
            "try again; if it fails again, the versions of torch and of what runs the network do not work together",
        )
    return difference


@contextmanager
def converting() -> Iterator[None]:
    """Silence the warnings of a conversion, and spare it torch's fused layers, which none can read."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
