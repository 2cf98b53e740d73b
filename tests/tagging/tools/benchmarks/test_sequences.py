"""The benchmark of sequences: its variants, its tables, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from tagging.config.recommendation import RecurrentConfig
from tagging.errors import InvalidManifestError
from tagging.progress import Silent
from tagging.tools.benchmarks import sequences
from tagging.tools.benchmarks.sequences import FULL, RECHUB, VARIANTS, sequences_benchmark
from tests.support.corpora import write_rows
from tests.support.tools import run_tools
from tests.support.watching import catalog, walks

QUICK = "width = 8\nhistory = 8\nepochs = 0.5\nnegatives = 20\ntopics = 3\n"
BASELINES = {"popularity", "item-kNN", *RECHUB}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sequences")
    rows = [
        {"video_id": row.video.video_id, "title": row.video.title, "tags": list(row.tags)} for row in catalog().videos
    ]
    write_rows(folder / "videos.jsonl", rows)
    users = walks(60)
    watched = [{"user_id": user, "videos": [f"v{row}" for row in users.at(user)]} for user in range(len(users))]
    write_rows(folder / "watched.jsonl", watched)
    (folder / "quick.toml").write_text(QUICK)
    return folder


@pytest.fixture(autouse=True)
def quick_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    short = {name: (kind, {**changes, "epochs": 0.5}) for name, (kind, changes) in RECHUB.items()}
    monkeypatch.setattr(sequences, "RECHUB", short)


def test_every_variant_is_a_configuration_that_differs_from_the_full_objective() -> None:
    full = RecurrentConfig()
    variants = [RecurrentConfig.model_validate({**full.model_dump(), **changes}) for changes in VARIANTS.values()]
    assert variants[0] == full
    assert all(variants.count(variant) == 1 for variant in variants)


def test_the_command_prints_every_system_with_mean_and_spread(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch_rechub", reason="the extra benchmarks is not installed")
    run_tools(
        "benchmarks", "sequences", "--manifest", tables / "videos.jsonl", "--interactions", tables / "watched.jsonl",
        "--config", tables / "quick.toml", "--seed", 1, "--seed", 2, "--format", "json",
    )  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    last = {row["system"]: row for row in found["Last videos, test part, 2 seeds"]}
    assert last.keys() == BASELINES | VARIANTS.keys()
    assert last[FULL]["HR@10 against full objective"] == ""
    for row in last.values():
        mean, spread = (float(number) for number in row["HR@10"].split(" ± "))
        assert 0 <= mean <= 1
        assert spread >= 0
    for name in ("short", "long"):
        rows = {row["system"] for row in found[f"New users, {name} mode, 2 seeds"]}
        assert rows == {*BASELINES, FULL, f"{FULL}, step by step"}


def test_the_difference_is_of_the_same_seed() -> None:
    first = {FULL: {"m": 0.5, "coverage": 8.0}, "other": {"m": 0.3, "coverage": 9.0}}
    second = {FULL: {"m": 0.1, "coverage": 8.0}, "other": {"m": 0.2, "coverage": 13.0}}
    row = sequences._rows([first, second])[1]
    gaps = np.array([-0.2, 0.1])
    assert row[f"m against {FULL}"] == f"{gaps.mean():+.4f} ± {gaps.std(ddof=1):.4f}"
    assert row["coverage"] == "11 ± 3"


@pytest.mark.parametrize("length", [1, 2])
def test_interactions_without_anything_to_learn_are_one_clear_error(length: int, tables: Path) -> None:
    rows = [{"user_id": n, "videos": [f"v{n + offset}" for offset in range(length)]} for n in range(3)]
    write_rows(tables / "short.jsonl", rows)
    for table in sequences_tables():
        with pytest.raises(InvalidManifestError, match=r"short\.jsonl: "):
            sequences_benchmark(catalog(), tables / "short.jsonl", [table], "test", [1], RecurrentConfig(), Silent())


def sequences_tables() -> tuple[str, ...]:
    from tagging.tools.benchmarks.consumer_commands import SEQUENCE_TABLES

    return SEQUENCE_TABLES
