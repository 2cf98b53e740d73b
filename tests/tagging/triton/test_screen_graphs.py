"""Graphs of PP-OCR by ONNX Runtime in this process: RapidOCR reads what it does with its own sessions."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("rapidocr", reason="pip install 'videotag[ocr]' to test the screen reader")

from tagging.config.readers import PpOcrConfig
from tagging.features.networks.base import Arrays
from tagging.features.networks.contract import ModelSpec
from tagging.features.networks.screen_text import ScreenNetwork, network_sessions, screen_networks
from tagging.features.reader_weights import pp_ocr_files
from tagging.features.screen_text import PpOcrReader
from tagging.triton.graph_files import run_graph, write_graph
from tagging.triton.screen_graphs import screen_graphs
from tagging.triton.version_files import difference_of, opset_of
from tagging.types import Frames

pytestmark = pytest.mark.ocr

CONFIG = PpOcrConfig(frames=2, threads=1)


class GraphNetwork:
    """A Network of a file."""

    batch_size = 8

    def __init__(self, spec: ModelSpec, path: Path) -> None:
        self.spec = spec
        self._path = path

    def rows(self, inputs: Arrays) -> NDArray[np.float32]:
        return self.many([inputs])[0][self.spec.outputs[0].name]

    def many(self, batches: Sequence[Arrays]) -> list[Mapping[str, NDArray[np.float32]]]:
        for batch in batches:
            for tensor in self.spec.inputs:
                assert batch[tensor.name].dtype == {"UINT8": np.uint8, "INT32": np.int32}[tensor.dtype]
        return [run_graph(self._path, batch) for batch in batches]


@pytest.fixture(scope="module")
def reader() -> PpOcrReader:
    return PpOcrReader(pp_ocr_files(CONFIG), CONFIG)


def test_lines_of_different_lengths_are_read_equally(reader: PpOcrReader, tmp_path: Path) -> None:
    paths = {}
    for graph in screen_graphs(reader):
        folder = tmp_path / graph.spec.name
        folder.mkdir()
        paths[graph.spec.name] = folder / "model.onnx"
        write_graph(graph, paths[graph.spec.name])
        assert difference_of(graph, folder) < 1e-6
        assert opset_of(graph) == 11

    def place(network: ScreenNetwork) -> GraphNetwork:
        return GraphNetwork(network.spec, paths[network.spec.name])

    other = PpOcrReader(reader.files, CONFIG, partial(network_sessions, place))
    picture = Image.new("RGB", (512, 224), (250, 250, 240))
    for row, line in enumerate(("Go", "A longer line of 29 letters.", "3 cats")):
        ImageDraw.Draw(picture).text((16, 16 + 64 * row), line, (20, 20, 90), ImageFont.load_default(30))
    noise = np.random.default_rng(0).integers(0, 256, (224, 512, 3), np.uint8)
    frames = Frames(np.stack([np.asarray(picture), noise]), np.arange(2.0))
    found = other.read(frames)
    assert len(found.passages) == 3
    assert found == reader.read(frames)
    assert [network.spec.name for network in other.networks] == ["screen_detect", "screen_read"]
    assert reader.networks == []


def test_bytes_are_what_rapidocr_has_normalised(reader: PpOcrReader) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    detect, read = screen_networks(reader.ocr, reader.files)
    normalised = reader.ocr.text_det.get_preprocess()(pixels)
    np.testing.assert_array_equal(detect.pixels(normalised)[0], pixels.transpose(2, 0, 1))
    line = pixels[:48]
    rows = reader.ocr.text_rec.resize_norm_img(line, 96 / 48)[None]
    np.testing.assert_array_equal(read.pixels(rows)[0], line.transpose(2, 0, 1))


def test_a_version_changes_with_the_weights_and_with_the_normalisation(reader: PpOcrReader, tmp_path: Path) -> None:
    detect, _ = screen_networks(reader.ocr, reader.files)
    other_file = tmp_path / "det.onnx"
    other_file.write_bytes(b"other")
    others = [
        ScreenNetwork(detect.spec, other_file, detect.table),
        ScreenNetwork(detect.spec, detect.file, -detect.table),
    ]
    assert len({network.fingerprint for network in (detect, *others)}) == 3
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(detect.file.read_bytes())
    assert ScreenNetwork(detect.spec, copy, detect.table).fingerprint == detect.fingerprint
