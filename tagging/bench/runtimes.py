"""Encoders on OpenVINO against the same ones on torch: processor time, and how far the vectors are apart."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from tagging.bench.encoders import VIDEOS, calls_in, repeated
from tagging.bench.encoding_work import encoding_work
from tagging.bench.figure import Figure
from tagging.bench.plan import Plan
from tagging.bench.timing import in_turn, ratios
from tagging.bundle.manifest import BUNDLE
from tagging.features.factory import load_encoders
from tagging.features.openvino.package import settled_precision


def measure(plan: Plan) -> list[Figure]:
    """Return a figure for each encoder of the bundle that OpenVINO runs, in the precision of this processor.

    Raises MissingPackageError without OpenVINO, and what encoders.measure raises.
    """
    stated = BUNDLE.read(plan.bundle).config.encoders
    config = stated.model_copy(update={"speech": None, "screen": None, "device": "cpu", "precision": "auto"})
    torch = config.model_copy(update={"runtime": "torch"})
    openvino = settled_precision(config.model_copy(update={"runtime": "openvino"}))
    loaded = {"torch": load_encoders(torch), "OpenVINO": load_encoders(openvino)}
    moved = [name for name, encoder in loaded["OpenVINO"].present().items() if hasattr(encoder, "network")]
    works = {name: encoding_work(encoders, plan.seed, VIDEOS) for name, encoders in loaded.items()}
    figures = []
    with plan.progress.track("runtimes", plan.repeats * 2 * len(moved)) as advance:
        for name in moved:
            rows = {side: work[name]() for side, work in works.items()}
            calls = calls_in(works["torch"][name], plan.sizes.encoder_seconds)
            sides = {side: partial(repeated, work[name], calls) for side, work in works.items()}
            spent = in_turn(sides, plan.repeats, advance)
            part = {
                "encodes": name,
                "precision": openvino.precision,
                "max 1 - cosine": f"{largest_angle(rows['torch'], rows['OpenVINO']):.1g}",
            }
            meaning = f"{name} on torch / on OpenVINO"
            figures.append(Figure("runtimes", meaning, *ratios(spent["torch"], spent["OpenVINO"]), parts=(part,)))
    return figures


def largest_angle(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return the largest 1 - cosine of two rows of (B, D)."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((1 - (first * second).sum(axis=1) / lengths).max())
