"""Measurements of a GPU, made on the CPU, and their refusal without a GPU."""

from pathlib import Path

import pytest
import torch

from tagging.bert import BertShape
from tagging.errors import InvalidConfigError
from tagging.tools.benchmarks.gpu import Sizes, measure_gpu, training_rows

TINY = Sizes(
    seconds=0.01,
    videos=2,
    steps=2,
    bert=BertShape(vocabulary=40, positions=32, width=32, heads=2, inner=48, layers=3),
    batch=4,
    tags=20,
    index_rows=3_000,
    dim=16,
    queries=8,
)


def test_training_is_measured_in_each_precision_with_10_and_400_negatives_and_all_layers() -> None:
    rows = training_rows("cpu", TINY, 7)
    assert [(row["precision"], row["negatives"], row["BERT layers"]) for row in rows] == [
        (precision, negatives, layers)
        for precision in ("float32", "bfloat16")
        for negatives, layers in ((400, 1), (10, 3), (400, 3))
    ]
    assert all(row["videos/s"] > 0 for row in rows)


def test_every_encoder_of_the_bundle_and_every_index_is_measured(tiny_starter: Path) -> None:
    tables = measure_gpu(tiny_starter, "cpu", TINY, 7)
    assert [row["device"] for row in tables["machine"]] == ["CPU"]
    assert tables["encoders"][-1]["encodes"] == "video"
    assert len(tables["encoders"]) > 1
    assert [row["index"] for row in tables["search"]] == ["faiss", "ivf-pq"]
    for name in ("encoders", "search"):
        assert all(value > 0 for row in tables[name] for key, value in row.items() if key.endswith("/s"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured(tiny_starter: Path) -> None:
    with pytest.raises(InvalidConfigError, match="torch sees no CUDA device"):
        measure_gpu(tiny_starter, "cuda", TINY, 7)
