"""The ablation of the click model on clicks that follow from a match of two fields."""

import json
from pathlib import Path

import numpy as np
import pytest

from tagging.config.clicks import ClicksConfig
from tagging.tools.benchmarks.click_ablation import VARIANTS, WHOLE
from tests.support.corpora import write_rows
from tests.support.tools import run_tools


def test_every_variant_is_compared_with_the_whole_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(5)
    rows = []
    for n in range(1500):
        tag, taste = generator.integers(3, size=2).tolist()
        clicked = int((tag == taste) != (generator.random() < 0.1))
        rows.append({"user_id": n % 40, "video_id": n, "clicked": clicked, "time": n, "tag": tag, "taste": taste})
    write_rows(tmp_path / "shown.jsonl", rows)
    (tmp_path / "short.toml").write_text("epochs = 12\nbatch = 64\nrate = 0.02\nhidden = [8]\nwidth = 8\n")
    fields = ("--field", "tag", "--field", "taste", "--seed", 1, "--config", tmp_path / "short.toml")
    run_tools("benchmarks", "click-ablation", tmp_path / "shown.jsonl", *fields, "--format", "json")
    rows = json.loads(capsys.readouterr().out)["click ablation"]
    auc = {row["variant"]: float(row["AUC"].split()[0]) for row in rows}
    assert list(auc) == list(VARIANTS)
    assert auc[WHOLE] > 0.8
    assert auc["without self-attention"] > 0.8  # crossings alone know the match
    gains = {row["variant"]: row[f"AUC against {WHOLE}"] for row in rows}
    assert gains.pop(WHOLE) is None
    for variant, gain in gains.items():
        assert float(gain.split()[0]) == pytest.approx(auc[variant] - auc[WHOLE], abs=2e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_a_valid_configuration_of_its_own(variant: str) -> None:
    changed = ClicksConfig(**VARIANTS[variant])
    assert (changed == ClicksConfig()) == (variant == WHOLE)
