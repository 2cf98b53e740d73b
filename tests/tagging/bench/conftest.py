"""A plan whose figures take seconds: sizes of a few."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tagging.bench.plan import Plan, Sizes
from tagging.progress import Silent

TINY = Sizes(
    clips=2,
    titles=3,
    loop_vision="ViT-S-32",
    encoder_seconds=0.0,
    durations_s=(10, 20, 30),
    search_rows=(100, 200, 400),
    searches=10,
    labelled=(400, 800, 1_200),
    tags=(),
    batch_rows=(2, 4, 8),
    training_steps=1,
    training_tags=20,
)
MakePlan = Callable[..., Plan]


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    """A function of the bundle, and optionally a manifest and other sizes."""

    def make(bundle: Path, manifest: Path | None = None, sizes: Sizes = TINY) -> Plan:
        return Plan(bundle, manifest, sizes, 2, tmp_path, Silent())

    return make
