"""The ablation of the two towers: every condition is measured against attention."""

import json
from pathlib import Path

import pytest

from tagging.recommendation.tables import Sources
from tagging.tools.benchmarks.two_towers import CHANGES
from tests.support.tools import run_tools
from tests.tagging.recommendation.two_towers.conftest import sources, text_bundle

__all__ = ["sources", "text_bundle"]


def test_every_condition_has_a_row(
    sources: Sources, text_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "towers.toml").write_text("width = 8\nepochs = 0.2\nnegatives = 20\n")
    args = ["--manifest", *sources.manifests, "--interactions", sources.interactions, "--bundle", text_bundle]
    args += ["--config", tmp_path / "towers.toml", "--features", tmp_path / "f", "--seed", 1, "--format", "json"]
    run_tools("benchmarks", "two-towers", *args)
    rows = json.loads(capsys.readouterr().out)["new"]
    gains = {row["system"]: row["HR@10 against attention"] for row in rows}
    assert set(CHANGES) < set(gains)
    assert gains["attention"] == "+0.0000 ± 0.0000"
    assert gains["item-kNN"] == ""
