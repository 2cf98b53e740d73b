"""Graphs of PP-OCR: its ONNX files with the arithmetic around them, and samples of what RapidOCR's sessions compute."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tagging.features.networks.base import Arrays
from tagging.features.networks.screen_text import VALUES, ScreenNetwork, screen_networks
from tagging.triton.graph_files import OnnxGraph, onnx_opset

if TYPE_CHECKING:
    import onnx

    from tagging.features.screen_text import PpOcrReader

SAMPLE_LINES = ("Summer Sale", "Chapter Two")

# Arithmetic around the networks, in ONNX's text format. `table` has the values of the first channel, then those of the
# second and the third.
NORMALISED = """
    values = Cast <to = 7> (pixels)
    places = Add (values, channels)
    normalised = Gather (table, places)
"""
BEFORE_DETECTION = f"""
agraph (uint8[rows, 3, height, width] pixels) => (float[rows, 3, height, width] normalised) {{ {NORMALISED} }}
"""
BEFORE_READING = f"""
agraph (uint8[rows, 3, 48, line] pixels, int32[rows, 1] width) => (float[rows, 3, 48, line] image)
<int64 last = {{3}}, int64 zero = {{0}}, int64 one = {{1}}, float nothing = {{0}}, int64[4] column = {{-1, 1, 1, 1}}> {{
    {NORMALISED}
    shape = Shape (pixels)
    length = Gather (shape, last)
    positions = Range (zero, length, one)
    long_width = Cast <to = 7> (width)
    ends = Reshape (long_width, column)
    is_line = Less (positions, ends)
    image = Where (is_line, normalised, nothing)
}}
"""
AFTER_DETECTION = """
agraph (float[rows, 1, height, width] found) => (float[rows, 1, height, width] text) { text = Identity (found) }
"""
AFTER_READING = """
agraph (float[rows, steps, all] found) => (int32[rows, steps] signs, float[rows, steps] probabilities)
<int64[1] k = {1}, int64[2] by_step = {0, -1}> {
    best, which = TopK (found, k)
    probabilities = Reshape (best, by_step)
    long_signs = Reshape (which, by_step)
    signs = Cast <to = 6> (long_signs)
}
"""


def screen_graphs(reader: "PpOcrReader") -> list[OnnxGraph]:
    """Return the graphs of the detector and the recogniser. reader: with RapidOCR's own sessions"""
    detect, read = screen_networks(reader.ocr, reader.files)
    picture, detector, recogniser = _sample_picture(), reader.ocr.text_det, reader.ocr.text_rec
    normalised = detector.get_preprocess()(picture)
    inputs: Arrays = {"pixels": detect.pixels(normalised)}
    outputs: Arrays = {"text": detector.session(normalised)}
    model = _model(detect, BEFORE_DETECTION, AFTER_DETECTION)
    detection = OnnxGraph(detect.spec, model, detect.fingerprint, inputs, outputs)

    lines = [picture[top : top + 48, 16:right] for top, right in ((24, 400), (88, 300))]
    rows = np.stack([recogniser.resize_norm_img(line, 9.0) for line in lines])  # wider than both
    width = np.array([[line.shape[1]] for line in lines], np.int32)
    found = recogniser.session(rows)
    inputs = {"pixels": read.pixels(rows), "width": width}
    outputs = {"signs": found.argmax(2).astype(np.int32), "probabilities": found.max(2)}
    model = _model(read, BEFORE_READING, AFTER_READING)
    return [detection, OnnxGraph(read.spec, model, read.fingerprint, inputs, outputs)]


def _model(network: ScreenNetwork, before: str, after: str) -> "onnx.ModelProto":
    """Return the network's file between two graphs, in its own opset."""
    import onnx
    from onnx import compose, numpy_helper

    model = onnx.load(network.file)
    first, last = (onnx.parser.parse_model(_header(model) + text) for text in (before, after))
    offsets = np.arange(0, network.table.size, len(VALUES)).reshape(1, 3, 1, 1)
    first.graph.initializer.extend(
        [numpy_helper.from_array(network.table.ravel(), "table"), numpy_helper.from_array(offsets, "channels")]
    )
    own = compose.add_prefix(model, "pp_ocr.")
    joined = compose.merge_models(first, own, [(first.graph.output[0].name, own.graph.input[0].name)])
    return compose.merge_models(joined, last, [(own.graph.output[0].name, "found")])


def _header(model: "onnx.ModelProto") -> str:
    return f'<ir_version: {model.ir_version}, opset_import: ["" : {onnx_opset(model)}]>'


def _sample_picture() -> NDArray[np.uint8]:
    """Return (160, 416, 3) with a line of text in each half, light on dark."""
    picture = Image.new("RGB", (416, 160), (30, 60, 90))
    for row, line in enumerate(SAMPLE_LINES):
        ImageDraw.Draw(picture).text((24, 24 + 64 * row), line, (255, 255, 255), ImageFont.load_default(36))
    return np.asarray(picture)
