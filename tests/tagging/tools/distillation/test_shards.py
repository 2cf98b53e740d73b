"""Storage of teacher outputs."""

from pathlib import Path

import numpy as np
import pytest

from tagging.errors import InvalidConfigError
from tagging.tools.distillation import shards
from tests.support.tools import run_tools


def test_a_basis_keeps_the_strongest_directions_half_whitened() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4000, 3)) * np.array([9.0, 4.0, 0.1]) + 5
    on_axes = shards.fit_basis(rows, 2).of(rows.astype(np.float32))
    variances = on_axes.var(axis=0)
    assert variances.mean() == pytest.approx(1, rel=1e-3)
    assert variances[0] / variances[1] == pytest.approx(
        9 / 4, rel=0.1
    )  # ratio of the deviations 9 and 4, not of the variances


def test_shards_are_loaded_in_order(tmp_path: Path) -> None:
    for start in (4, 0):
        shards.save(shards.shard(tmp_path, start, 4), {"first": np.arange(start, start + 4)})
    assert shards.load(tmp_path, ("first",))["first"].tolist() == list(range(8))


def test_a_work_folder_belongs_to_one_plan(tmp_path: Path) -> None:
    order = np.arange(5, dtype=np.int32)
    shards.claim(tmp_path / "a", order)
    shards.claim(tmp_path / "a", order)
    with pytest.raises(InvalidConfigError, match="other data"):
        shards.claim(tmp_path / "a", order[::-1].copy())
    shards.save(shards.shard(tmp_path, 0, 4), {"first": order})
    with pytest.raises(InvalidConfigError, match="without a plan"):
        shards.claim(tmp_path, order)


def test_missing_data_is_a_one_line_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_tools("distillation", "vision", "--data", str(tmp_path), "--work", str(tmp_path / "work"), code=1)
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "imagenet_sample_1000" in errors[0]
