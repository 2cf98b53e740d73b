"""ONNX graphs against the in-process encoders, on other inputs than the samples of an export."""

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recall.model import RecallModel
from tagging.errors import ArtifactMismatchError
from tagging.features.e5_file import read_e5
from tagging.features.factory import Encoders
from tagging.features.text import SentenceTransformerEncoder
from tagging.features.triton.encoders import padded
from tagging.features.vision import OpenClipEncoder
from tagging.features.weights import ClipSource
from tagging.triton.graph_files import Arrays, Graph, difference_of, run_graph, write_graph
from tagging.triton.graphs_of_bundle import graphs_of, recall_video_graph
from tagging.types import Frames
from tests.support.tiny_e5 import tiny_e5

TEXTS = ("two cats", "猫 собака", "a dog and a cat play with a ball in the garden, and it rains", "x")


def written(graph: Graph, folder: Path) -> Path:
    path = folder / "model.onnx"
    write_graph(graph, path)
    return path


def test_a_sentence_transformers_model_gives_the_same_rows(tiny_text: Path, tmp_path: Path) -> None:
    encoder = SentenceTransformerEncoder(tiny_text, max_tokens=64, batch_size=3)
    [graph] = graphs_of(Encoders(text=encoder), None, "")
    path = written(graph, tmp_path)
    for texts in (TEXTS, TEXTS[:1]):
        got = run_graph(path, padded(encoder.texts.tokens(texts)))["row"]
        np.testing.assert_allclose(got, encoder.encode(texts), atol=1e-5)


def test_open_clip_gives_the_same_rows_from_bytes(open_clip: Any, tiny_clip: Path, tmp_path: Path) -> None:
    encoder = OpenClipEncoder(ClipSource(tiny_clip), batch_size=2)
    [graph] = graphs_of(Encoders(frames=encoder), None, "")
    path = written(graph, tmp_path)
    frames = Frames(np.random.default_rng(1).integers(0, 256, (7, 50, 40, 3), np.uint8), np.arange(7.0))
    got = run_graph(path, {"pixels": encoder.pictures(frames)})["tokens"]
    np.testing.assert_allclose(got, encoder.encode(encoder.prepare(frames)), atol=1e-5)


@pytest.fixture(scope="module")
def recall(learnt_bundle: Path) -> RecallModel:
    return RecallModel.load(learnt_bundle / "learnt")


@pytest.fixture(scope="module")
def recall_graph(recall: RecallModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Path]:
    graph = recall_video_graph(recall, "f")
    return graph, written(graph, tmp_path_factory.mktemp("recall"))


def test_the_video_tower_of_recall_gives_the_same_encoding_and_attention(
    recall: RecallModel, recall_graph: tuple[Graph, Path]
) -> None:
    rng, views = np.random.default_rng(3), recall.videos.views
    present = rng.random((9, len(views))) < 0.6
    present[:, 0] |= ~present.any(axis=1)
    dims = {"ngrams": recall.table.shape[1], **recall.videos.dims}
    inputs: dict[str, Any] = {
        view: (rng.normal(size=(9, dims[view])) * present[:, [column]]).astype(np.float32)
        for column, view in enumerate(views)
    }
    got = run_graph(recall_graph[1], {**inputs, "present": present})
    with torch.inference_mode():
        values = {view: torch.from_numpy(rows) for view, rows in inputs.items()}
        hidden, attention = recall.videos(values, torch.from_numpy(present))
    np.testing.assert_allclose(got["hidden"], hidden, atol=1e-5)
    np.testing.assert_allclose(got["attention"], attention, atol=1e-5)


def test_a_graph_that_computes_something_else_is_refused(recall_graph: tuple[Graph, Path]) -> None:
    graph, path = recall_graph
    assert difference_of(graph, path) < 1e-5
    wrong: Arrays = {**graph.outputs, "hidden": graph.outputs["hidden"] + 2e-4}
    with pytest.raises(ArtifactMismatchError, match=r"recall_video by model\.onnx: hidden differs by 0\.0002"):
        difference_of(replace(graph, outputs=wrong), path)
    with pytest.raises(ArtifactMismatchError, match=r"hidden has shape \(4, 16\), expected \(3, 16\)"):
        difference_of(replace(graph, outputs={**graph.outputs, "hidden": graph.outputs["hidden"][:3]}), path)


def test_not_a_number_is_refused(recall_graph: tuple[Graph, Path]) -> None:
    graph, path = recall_graph
    with pytest.raises(ArtifactMismatchError, match="differs by nan"):
        difference_of(replace(graph, inputs={**graph.inputs, "present": np.zeros_like(graph.inputs["present"])}), path)


def test_the_integers_of_a_quantised_table_times_their_scales_are_its_rows(tmp_path: Path) -> None:
    model = tiny_e5()
    table = read_e5(model.write(tmp_path / "e5.bin")).tables["emb.word"]
    plain = [
        [float(weight) * float(scale) for weight in row[start : start + 32]]
        for row, scales in zip(table.integers(), table.blocks["scale"], strict=True)
        for start, scale in zip(range(0, len(row), 32), scales, strict=True)
    ]
    np.testing.assert_array_equal(np.array(list(chain(*plain)), np.float32), model.tensors["emb.word"].ravel())
