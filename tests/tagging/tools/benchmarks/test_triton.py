"""The benchmark of encoders on Triton: what one video is, and that each side is measured with the same input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagging.bench.encoding_work import FRAMES, SOUND_S, encoding_work
from tagging.features.factory import load_encoders
from tagging.tools.benchmarks import triton
from tests.support.configs import tiny_config


class NoServer:
    """Stands for a connection that is not used: the encoders of the bundle have no weights."""

    def __init__(self, url: str) -> None:
        assert url == "grpc://host:1"

    def __enter__(self) -> "NoServer":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_row_for_each_modality_and_one_for_the_video(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton, "TritonClient", NoServer)
    rows = triton.compare(tiny_bundle, "grpc://host:1", seconds=0.01, calls_at_once=2, seed=1)
    assert [row["work"] for row in rows] == ["text", "frames", "audio", "video"]
    for row in rows:
        assert row["in-process videos/s"] > 0
        assert row["Triton videos/s"] > 0


def test_both_sides_encode_the_same_input() -> None:
    encoders = load_encoders(tiny_config().encoders)
    first, second = (encoding_work(encoders, seed=3) for _ in range(2))
    for name in ("text", "frames", "audio"):
        rows: Any = first[name]()
        np.testing.assert_array_equal(rows, second[name]())
    assert [len(part) for part in first["video"]()] == [1, FRAMES, SOUND_S]
