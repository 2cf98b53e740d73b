"""Throughput of what a GPU is for: encoders, training of the ranker with a BERT, and search in an index.

Inputs are random, because no time depends on their content. A training is timed as the difference between two that
differ in their number of steps, which leaves out what comes before the first step.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from recall.index.factory import build_index
from tagging.bench.encoding_work import Work, encoding_work
from tagging.bench.figure import Row
from tagging.bench.training import TINY_BERT
from tagging.bench.training_work import TrainingWork
from tagging.bert import BertShape
from tagging.bundle.manifest import BUNDLE
from tagging.config.rank import NegativesConfig, RankerConfig, TowersConfig
from tagging.config.recall import IndexConfig
from tagging.features.factory import load_encoders
from tagging.torch_tools import torch_device

NEGATIVES = (10, 400)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the measurements; with the defaults, a GPU needs a few minutes."""

    seconds: float = 5.0  # of each encoder
    videos: int = 16  # encoded by one call
    steps: int = 40  # of a training, and three times as many of the one that it is compared with
    bert: BertShape = TINY_BERT
    batch: int = 64  # videos in a step
    tags: int = 10_000
    index_rows: int = 500_000
    dim: int = 384
    queries: int = 256  # in one search


def measure_gpu(bundle: Path, device: str, sizes: Sizes, seed: int) -> dict[str, list[Row]]:
    """Return the tables of a machine, its encoders, training and search.

    Raises InvalidConfigError if the device is "cuda" and torch sees none.
    """
    device_name = torch.cuda.get_device_name() if torch_device(device, "--device") == "cuda" else "CPU"
    machine = [{"device": device_name, "torch": torch.__version__, "GPUs that FAISS sees": faiss.get_num_gpus()}]
    return {
        "machine": machine,
        "encoders": encoder_rows(bundle, device, sizes, seed),
        "training of the ranker": training_rows(device, sizes, seed),
        "search": search_rows(sizes, seed),
    }


def encoder_rows(bundle: Path, device: str, sizes: Sizes, seed: int) -> list[Row]:
    """Return a row for each modality of the bundle, in single and, on a GPU, in half precision."""
    config = BUNDLE.read(bundle).config.encoders
    config = config.model_copy(update={"speech": None, "screen": None, "device": device})
    work = encoding_work(load_encoders(config), seed, sizes.videos)
    rows = []
    for name, encode in work.items():
        row: Row = {"encodes": name, "float32 videos/s": _videos_per_s(encode, sizes)}
        if device == "cuda":  # on CPUs, torch has no float16 kernels for all of it
            with torch.autocast(device, torch.float16):
                row["float16 videos/s"] = _videos_per_s(encode, sizes)
        rows.append(row)
    return rows


def training_rows(device: str, sizes: Sizes, seed: int) -> list[Row]:
    """Return a row for each precision and number of negatives, all layers of the BERT trained, and one layer."""
    work = TrainingWork.drawn(4 * sizes.batch, sizes.tags, sizes.bert, seed)
    on_device = RankerConfig.model_validate({"device": device})
    rows = []
    for precision in ("float32", "bfloat16"):
        for drawn, layers in ((max(NEGATIVES), 1), *((drawn, sizes.bert.layers) for drawn in NEGATIVES)):
            config = RankerConfig(
                towers=TowersConfig(trained_layers=layers),
                negatives=NegativesConfig(drawn=drawn, two_hop=0, recalled=0),
                batch=sizes.batch,
                device=on_device.device,
                processes=1,
                precision=precision,
                epochs=1e-9,
            )
            short_s, long_s = (_training_s(work, config, sizes.steps * times, seed) for times in (1, 3))
            per_s = 2 * sizes.steps * sizes.batch / max(long_s - short_s, 1e-9)
            rows.append(
                {"precision": precision, "negatives": drawn, "BERT layers": layers, "videos/s": round(per_s, 1)}
            )
    return rows


def search_rows(sizes: Sizes, seed: int) -> list[Row]:
    """Return a row for each kind of index; FAISS uses a GPU where it sees one."""
    rng = np.random.default_rng(seed)
    rows, queries = (_unit(rng, count, sizes.dim) for count in (sizes.index_rows, sizes.queries))
    measured = []
    for backend in ("faiss", "ivf-pq"):
        began_s = time.perf_counter()
        index = build_index(rows, IndexConfig.model_validate({"backend": backend}), seed)
        built_s = time.perf_counter() - began_s
        per_s = _calls_per_s(lambda: index.search(queries, 200), sizes.seconds)  # noqa: B023 - called at once
        row = {"index": backend, "rows": len(rows), "build s": round(built_s, 1)}
        measured.append(row | {"queries/s": round(per_s * len(queries), 1)})
    return measured


def _videos_per_s(encode: Work, sizes: Sizes) -> float:
    return round(_calls_per_s(encode, sizes.seconds) * sizes.videos, 1)


def _calls_per_s(work: Work, seconds: float) -> float:
    """Return the rate of calls one after the other; each ends with its results in memory, so nothing is outstanding."""
    work()
    count, began_s = 0, time.perf_counter()
    while not count or time.perf_counter() < began_s + seconds:
        work()
        count += 1
    return count / (time.perf_counter() - began_s)


def _training_s(work: TrainingWork, config: RankerConfig, steps: int, seed: int) -> float:
    began_s = time.perf_counter()
    work.train(config, steps, seed)
    return time.perf_counter() - began_s


def _unit(rng: np.random.Generator, count: int, dim: int) -> NDArray[np.float32]:
    rows = rng.standard_normal((count, dim), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
