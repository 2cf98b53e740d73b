"""Graphs of the ranker's towers, with samples of what the in-process towers compute."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rank.padding import Padded
from rank.towers import TagInput, Towers, VideoInput
from tagging.config.random_streams import Stream
from tagging.features.networks import contract
from tagging.features.networks.base import Arrays
from tagging.features.networks.graph import Graph
from tagging.triton.graphs import RankTagsGraph, RankVideoGraph

LENGTHS = (5, 3, 2, 0)  # tokens of the rows of a sample


def rank_graphs(towers: Towers, fingerprint: str) -> Iterator[Graph]:
    """Yield the graphs of the video and the tag tower."""
    yield rank_video_graph(towers, fingerprint)
    yield rank_tags_graph(towers, fingerprint)


@torch.inference_mode()
def rank_video_graph(towers: Towers, fingerprint: str) -> Graph:
    """Return the graph of the video tower."""
    rng = np.random.default_rng([0, Stream.TRITON_SAMPLES])
    inputs: dict[str, NDArray[Any]] = {}
    for shift, (name, dim) in enumerate({"text": towers.text_dim, **towers.media_dims}.items()):
        inputs |= _sample(rng, name, dim, np.roll(LENGTHS, shift).tolist())  # every row lacks another modality
    videos = VideoInput(_tensors(inputs, "text"), {name: _tensors(inputs, name) for name in towers.media_dims})
    present = videos.present()
    rows = towers.encode_videos(videos, present) * present.any(dim=1, keepdim=True)
    spec = contract.rank_video_model(towers.text_dim, towers.media_dims, towers.width)
    return Graph(spec, RankVideoGraph(towers), fingerprint, inputs, {"row": rows.numpy()})


@torch.inference_mode()
def rank_tags_graph(towers: Towers, fingerprint: str) -> Graph:
    """Return the graph of the tag tower."""
    rng = np.random.default_rng([0, Stream.TRITON_SAMPLES])
    inputs = _sample(rng, "text", towers.text_dim, LENGTHS)
    graph = rng.normal(size=(len(LENGTHS), towers.graph_dim)).astype(np.float32)
    rows = towers.encode_tags(TagInput(_tensors(inputs, "text"), torch.from_numpy(graph)))
    if towers.graph_dim:
        inputs["graph"] = graph
    spec = contract.rank_tags_model(towers.text_dim, towers.graph_dim, towers.width)
    return Graph(spec, RankTagsGraph(towers), fingerprint, inputs, {"row": rows.numpy()})


def _tensors(inputs: Arrays, name: str) -> Padded:
    return torch.from_numpy(inputs[name]), torch.from_numpy(inputs[f"{name}_mask"])


def _sample(rng: np.random.Generator, name: str, dim: int, lengths: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Return tokens (n, T, dim) and their mask (n, T) for n lengths."""
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    tokens = rng.normal(size=(*mask.shape, dim)) * mask[..., None]
    return {name: tokens.astype(np.float32), f"{name}_mask": mask}
