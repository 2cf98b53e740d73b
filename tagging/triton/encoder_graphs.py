"""Graphs of a bundle's encoders and of its recall model, with samples of what the in-process ones compute."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recall.tower import Tower
from tagging.config.random_streams import Stream
from tagging.features.factory import Encoders
from tagging.features.networks import contract
from tagging.features.networks.encoder_graphs import ROWS, encoder_graph
from tagging.features.networks.graph import Graph
from tagging.triton.graphs import RecallVideoGraph


def encoder_graphs(encoders: Encoders) -> Iterator[Graph]:
    """Yield the graph of every encoder that has a network."""
    for encoder in encoders.present().values():
        graph = encoder_graph(encoder)
        if graph is not None:
            yield graph


def recall_video_graph(tower: Tower, fingerprint: str) -> Graph:
    """Return the graph of the video tower of the recall model."""
    rng, width = np.random.default_rng([0, Stream.TRITON_SAMPLES]), tower.width
    dims = {"ngrams": width, **tower.dims}
    present = np.ones((ROWS, len(tower.views)), np.bool_)
    present[1:, 1:] = rng.random((ROWS - 1, len(tower.views) - 1)) < 0.5
    inputs: dict[str, NDArray[Any]] = {
        view: (rng.normal(size=(ROWS, dim)) * present[:, [column]]).astype(np.float32)
        for column, (view, dim) in enumerate(dims.items())
    }
    with torch.inference_mode():
        values = {view: torch.from_numpy(rows) for view, rows in inputs.items()}
        hidden, attention = tower(values, torch.from_numpy(present))
    spec = contract.recall_video_model(width, tower.dims)
    outputs = {"hidden": hidden.numpy(), "attention": attention.numpy()}
    return Graph(spec, RecallVideoGraph(tower), fingerprint, {**inputs, "present": present}, outputs)
