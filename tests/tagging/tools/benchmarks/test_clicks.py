"""The benchmark of click prediction on made-up impressions whose clicks follow from tags."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tagging.config.clicks import ClicksConfig
from tagging.tools.benchmarks.click_commands import CLICK_SYSTEMS
from tagging.tools.benchmarks.click_systems import SYSTEMS
from tagging.tools.benchmarks.clicks import conditions_of
from tests.support.corpora import write_rows
from tests.support.tools import run_tools

TAGS = ("cooking", "chess", "sailing")


@pytest.fixture
def impressions(tmp_path: Path) -> Path:
    """Users who click videos of their own tag. Every video is shown once, so its id tells nothing."""
    generator = np.random.default_rng(5)
    rows = []
    for n in range(1500):
        tag, taste = generator.choice(TAGS, 2)
        clicked = int((tag == taste) != (generator.random() < 0.1))
        shown = {"user_id": int(generator.integers(40)), "video_id": f"v{n}", "clicked": clicked, "time": n}
        rows.append({**shown, "tags": [str(tag)], "user_tags": [str(taste)], "hour": n % 3})
    write_rows(tmp_path / "impressions.jsonl", rows)
    return tmp_path / "impressions.jsonl"


@pytest.fixture
def short(tmp_path: Path) -> Path:
    (tmp_path / "short.toml").write_text("epochs = 12\nbatch = 64\nrate = 0.02\nhidden = [8]\nwidth = 8\nlayers = 1\n")
    return tmp_path / "short.toml"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, list[dict[str, Any]]]:
    run_tools("benchmarks", "clicks", *arguments, "--format", "json")
    return dict(json.loads(capsys.readouterr().out))


def auc(rows: Sequence[dict[str, Any]], system: str, fields: str) -> float:
    [row] = [row for row in rows if (row["system"], row["fields"]) == (system, fields)]
    return float(row["AUC"].split()[0])


def test_tags_are_worth_what_the_clicks_owe_to_them(
    impressions: Path, short: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = ("--field", "hour", "--tag-field", "tags", "--tag-field", "user_tags")
    systems = ("--system", "LR", "--system", "MHSA + AC")
    tables = run(capsys, impressions, *fields, *systems, "--seed", 1, "--seed", 2, "--config", short)
    assert [row["impressions"] for row in tables["impressions"]] == [1050, 150, 300]
    rows = tables["clicks"]
    assert auc(rows, "MHSA + AC", "tags") > 0.85  # 0.9 of the clicks follow the match of both fields
    for system, condition in (("MHSA + AC", "no tags"), ("LR", "no tags"), ("LR", "tags")):  # LR knows no match
        assert auc(rows, system, condition) < 0.6
    against = [row["AUC against no tags"] for row in rows if row["system"] == "MHSA + AC"]
    assert against[0] is None
    assert float(against[1].split()[0]) > 0.25


@pytest.mark.parametrize("system", CLICK_SYSTEMS)
def test_every_system_gives_one_logit_for_each_impression_and_learns_from_all_fields(system: str) -> None:
    torch.manual_seed(0)
    network = SYSTEMS[system]({"user": 4, "tags": 5}, ClicksConfig(width=4, hidden=(3,)))
    fields = {"user": torch.tensor([[1], [0], [3]]), "tags": torch.tensor([[1, 4], [2, 0], [0, 0]])}
    logits = network(fields)
    assert logits.shape == (3,)
    assert logits.isfinite().all()
    logits.square().sum().backward()
    tables = [module.weight for module in network.modules() if isinstance(module, torch.nn.Embedding)]
    assert tables
    for table in tables:
        assert table.grad is not None
        assert table.grad.any()
        assert not table.grad[0].any()  # of the padding


def test_the_command_names_every_system() -> None:
    assert tuple(SYSTEMS) == CLICK_SYSTEMS


def test_conditions_add_tags_and_then_topics() -> None:
    base = ("user_id", "video_id", "hour")
    assert conditions_of(["hour"], ["tags"], ["topic"]) == {
        "no tags": base,
        "tags": (*base, "tags"),
        "tags + topics": (*base, "tags", "topic"),
    }
    assert list(conditions_of([], [], ["topic"])) == ["no tags", "topics"]


def test_without_the_baselines_library_the_extra_is_named(
    impressions: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("clicks", "click_systems"):
        monkeypatch.delitem(sys.modules, f"tagging.tools.benchmarks.{name}")
    monkeypatch.setitem(sys.modules, "torch_rechub.basic.features", None)
    run_tools("benchmarks", "clicks", impressions, code=1)
    assert "videotag[benchmarks]" in capsys.readouterr().err


@pytest.mark.parametrize(("same_time", "message"), [(True, "cannot be divided"), (False, "nothing to learn")])
def test_impressions_that_nothing_can_be_learnt_from_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], same_time: bool, message: str
) -> None:
    rows = [{"user_id": n, "video_id": n, "clicked": n % 2, "time": 1 if same_time else n} for n in range(20)]
    write_rows(tmp_path / "t.jsonl", rows)
    run_tools("benchmarks", "clicks", tmp_path / "t.jsonl", code=1)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--field", "clicked"], "clicked is what is predicted"),
        (["--tag-field", "clicked"], "clicked is what is predicted"),
        (["--field", "hour", "--tag-field", "hour"], "hour is named twice"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_options_are_wrong_usage(
    arguments: list[str], message: str, impressions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_tools("benchmarks", "clicks", impressions, *arguments, code=2)
    assert message in capsys.readouterr().err
