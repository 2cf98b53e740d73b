"""Protocols of a network that is run by something other than torch modules: Triton, or OpenVINO in this process.

The CPU part of an encoder (tokenising, resizing, log-mel, class probabilities) is the same for each of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tagging.features.networks.contract import ModelSpec

Arrays = Mapping[str, NDArray[Any]]  # by tensor name; their first dimension is the batch


class Network(Protocol):
    """One network, with the tensors of its specification. Thread-safe."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def batch_size(self) -> int:
        """Rows that run at once."""

    def rows(self, inputs: Arrays) -> NDArray[np.float32]:
        """(B, ...) of every input -> (B, D), the first output."""

    def many(self, batches: Sequence[Arrays]) -> Sequence[Mapping[str, NDArray[np.float32]]]:
        """The outputs of each batch, by name; batches may run side by side."""


@runtime_checkable
class OnNetworks(Protocol):
    """A reader whose networks may run outside its own library."""

    @property
    def networks(self) -> Sequence[Network]:
        """The networks that do."""


class Encoder(Protocol):
    """An in-process encoder that has a network."""

    @property
    def dim(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def batch_size(self) -> int: ...


class Runtime(Protocol):
    """A place where networks of encoders run."""

    runs_texts: bool  # otherwise the networks of texts stay torch modules

    def network(self, encoder: Encoder, spec: ModelSpec) -> Network:
        """Return the network of an encoder, which has the tensors of the specification."""

    def fingerprint(self, encoder: Encoder) -> str:
        """Return the fingerprint of the encoder with its network here: its own if the vectors are equal."""
