"""Random streams of one seed are independent of each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tagging.config.random_streams import HoldoutSalt, Stream

ROOT = Path(__file__).parents[3]


def test_every_stream_has_a_number_of_its_own() -> None:
    for streams in (Stream, HoldoutSalt):
        assert len({stream.value for stream in streams}) == len(streams.__members__)


def test_streams_of_one_seed_draw_different_numbers() -> None:
    drawn = {tuple(np.random.default_rng([7, stream]).integers(2**63, size=2).tolist()) for stream in Stream}
    assert len(drawn) == len(Stream)


def test_every_generator_of_the_product_is_of_a_named_stream() -> None:
    unnamed = [f"{path.relative_to(ROOT)}:{call.lineno}" for path in product_files() for call in unnamed_streams(path)]
    assert unnamed == []


def product_files() -> Iterator[Path]:
    """Yield all sources except tools, benchmarks and the quick start, which draw data rather than train on it."""
    for package in ("tagging", "recall", "rank"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.relative_to(ROOT).parts[:2] not in {("tagging", part) for part in ("tools", "bench", "quickstart")}:
                yield path


def unnamed_streams(path: Path) -> Iterator[ast.Call]:
    """Yield the calls that create a generator from anything else than [seed, Stream.NAME, ...]."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"default_rng", "SeedSequence"}:
            seed = node.args[0] if node.args else None
            entries = seed.elts if isinstance(seed, ast.List) else []
            if len(entries) < 2 or not ast.unparse(entries[1]).startswith("Stream."):
                yield node
