"""ONNX graphs against the in-process encoders, on other inputs than the samples of an export."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rank.contrastive import TowerEncoder
from rank.padding import pad
from rank.towers import Towers
from recall.tower import Tower
from tagging.config.rank import TowersConfig
from tagging.errors import ArtifactMismatchError
from tagging.features.e5_file import read_e5
from tagging.features.factory import Encoders
from tagging.features.networks.base import Arrays
from tagging.features.networks.encoders import padded
from tagging.features.networks.graph import Graph
from tagging.features.text import SentenceTransformerEncoder
from tagging.features.vision import OpenClipEncoder
from tagging.features.weights import ClipSource
from tagging.ragged import Tokens
from tagging.triton.encoder_graphs import encoder_graphs, recall_video_graph
from tagging.triton.graph_files import run_graph, write_graph
from tagging.triton.rank_graphs import rank_graphs
from tagging.triton.version_files import difference_of
from tagging.types import AnyModality, Frames, VideoEmbeddings
from tests.support.tiny_e5 import tiny_e5

TEXTS = ("two cats", "猫 собака", "a dog and a cat play with a ball in the garden, and it rains", "x")


def written(graph: Graph, folder: Path) -> Path:
    path = folder / "model.onnx"
    write_graph(graph, path)
    return path


def test_a_sentence_transformers_model_gives_the_same_rows(tiny_text: Path, tmp_path: Path) -> None:
    encoder = SentenceTransformerEncoder(tiny_text, max_tokens=64, batch_size=3)
    [graph] = encoder_graphs(Encoders(text=encoder))
    path = written(graph, tmp_path)
    for texts in (TEXTS, TEXTS[:1]):
        got = run_graph(path, padded(encoder.texts.tokens(texts)))["row"]
        np.testing.assert_allclose(got, encoder.encode(texts), atol=1e-5)


def test_open_clip_gives_the_same_rows_from_bytes(open_clip: Any, tiny_clip: Path, tmp_path: Path) -> None:
    encoder = OpenClipEncoder(ClipSource(tiny_clip), batch_size=2)
    [graph] = encoder_graphs(Encoders(frames=encoder))
    path = written(graph, tmp_path)
    frames = Frames(np.random.default_rng(1).integers(0, 256, (7, 50, 40, 3), np.uint8), np.arange(7.0))
    got = run_graph(path, {"pixels": encoder.pictures(frames)})["tokens"]
    np.testing.assert_allclose(got, encoder.encode(encoder.prepare(frames)), atol=1e-5)


def random_rows(count: int, dim: int) -> NDArray[np.float32]:
    return np.random.default_rng(count).normal(size=(count, dim)).astype(np.float32)


@pytest.fixture(scope="module")
def tower() -> Tower:
    torch.manual_seed(0)
    return Tower({"text": 12, "frames": 20}, width=16, dropout=0.1).eval()


@pytest.fixture(scope="module")
def recall_graph(tower: Tower, tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Path]:
    graph = recall_video_graph(tower, "f")
    return graph, written(graph, tmp_path_factory.mktemp("recall"))


def test_the_video_tower_of_recall_gives_the_same_encoding_and_attention(
    tower: Tower, recall_graph: tuple[Graph, Path]
) -> None:
    present = np.array([[row in (column, 3) for column in range(3)] for row in range(4)])
    inputs: dict[str, Any] = {
        view: random_rows(4, dim) * present[:, [column]]
        for column, (view, dim) in enumerate({"ngrams": 16, "text": 12, "frames": 20}.items())
    }
    got = run_graph(recall_graph[1], {**inputs, "present": present})
    with torch.inference_mode():
        values = {view: torch.from_numpy(rows) for view, rows in inputs.items()}
        hidden, attention = tower(values, torch.from_numpy(present))
    np.testing.assert_allclose(got["hidden"], hidden, atol=1e-5)
    np.testing.assert_allclose(got["attention"], attention, atol=1e-5)


def test_the_towers_of_the_ranker_give_the_same_rows(tmp_path: Path) -> None:
    torch.manual_seed(0)
    towers = Towers(24, {"frames": 12, "speech": 24}, 6, TowersConfig(width=16, clusters=4, groups=2)).eval()
    assert towers.graph is not None
    torch.nn.init.normal_(towers.graph.weight)  # it starts at zero
    video, tags = rank_graphs(towers, "f")
    encoder = TowerEncoder(towers, NoTexts())
    text = Tokens.of([random_rows(1, 24), None, random_rows(1, 24), None], 24)
    media: dict[AnyModality, Tokens] = {
        "frames": Tokens.of([random_rows(4, 12), None, None, random_rows(7, 12)], 12),
        "speech": Tokens.of([None, None, random_rows(1, 24), None], 24),
    }
    inputs = named("text", text) | named("frames", media["frames"]) | named("speech", media["speech"])
    got = run_graph(written(video, tmp_path), inputs)["row"]
    np.testing.assert_allclose(got, encoder.encode_videos(text, media), atol=1e-5)
    assert not got[1].any()

    graph = random_rows(4, 6)
    got = run_graph(written(tags, tmp_path), named("text", text) | {"graph": graph})["row"]
    np.testing.assert_allclose(got, encoder.encode_tags(text, graph), atol=1e-5)


def named(name: str, tokens: Tokens) -> dict[str, NDArray[Any]]:
    values, mask = pad(tokens)
    return {name: values.numpy(), f"{name}_mask": mask.numpy()}


class NoTexts:
    """TextStates that no test reads."""

    def of_texts(self, texts: Sequence[str]) -> Tokens:
        raise NotImplementedError

    def of_videos(self, videos: Sequence[VideoEmbeddings]) -> Tokens:
        raise NotImplementedError


def test_a_graph_that_computes_something_else_is_refused(recall_graph: tuple[Graph, Path]) -> None:
    graph, path = recall_graph
    assert difference_of(graph, path.parent) < 1e-5
    wrong: Arrays = {**graph.outputs, "hidden": graph.outputs["hidden"] + 2e-4}
    with pytest.raises(ArtifactMismatchError, match=r"recall_video by model\.onnx: hidden differs by 0\.0002"):
        difference_of(replace(graph, outputs=wrong), path.parent)
    with pytest.raises(ArtifactMismatchError, match=r"hidden has shape \(4, 16\), expected \(3, 16\)"):
        difference_of(replace(graph, outputs={**graph.outputs, "hidden": graph.outputs["hidden"][:3]}), path.parent)


def test_not_a_number_is_refused(recall_graph: tuple[Graph, Path]) -> None:
    graph, path = recall_graph
    nothing = {**graph.inputs, "present": np.zeros_like(graph.inputs["present"])}
    with pytest.raises(ArtifactMismatchError, match="differs by nan"):
        difference_of(replace(graph, inputs=nothing), path.parent)


def test_the_integers_of_a_quantised_table_times_their_scales_are_its_rows(tmp_path: Path) -> None:
    model = tiny_e5()
    table = read_e5(model.write(tmp_path / "e5.bin")).tables["emb.word"]
    plain = [
        [float(weight) * float(scale) for weight in row[start : start + 32]]
        for row, scales in zip(table.integers(), table.blocks["scale"], strict=True)
        for start, scale in zip(range(0, len(row), 32), scales, strict=True)
    ]
    np.testing.assert_array_equal(np.array(list(chain(*plain)), np.float32), model.tensors["emb.word"].ravel())
