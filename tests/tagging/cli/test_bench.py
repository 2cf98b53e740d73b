"""The command `videotag bench`."""

import json
from pathlib import Path

import pytest

from tagging.bench import run as bench
from tagging.bench.figure import Curve, Figure, Ratio
from tagging.bench.plan import FULL, SHORT, Plan
from tests.support.cli import error_lines, run

CURVE = Curve("steep", "rows", "ms", ((1.0, 1.0), (10.0, 100.0)))


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that were measured; each figure is made up."""
    seen: list[Plan] = []

    def measure(plan: Plan) -> list[Figure]:
        seen.append(plan)
        return [Figure("title", "a / b", Ratio(2.0, 1.0, 3.0), None, ({"part": "x"},), (CURVE,))]

    monkeypatch.setattr(bench, "MEASURES", {"title": measure, "start": measure, "training": measure})
    return seen


def test_a_table_has_machine_figures_parts_and_growth(tiny_bundle: Path, plans: list[Plan]) -> None:
    result = run("bench", "title", "--bundle", tiny_bundle)
    assert result.returncode == 0, result.stderr
    for shown in ("processor", "versions", "a / b", "1-3", "above linear", "part"):
        assert shown in result.stdout
    [plan] = plans
    assert (plan.sizes, plan.repeats, plan.manifest) == (SHORT, 3, None)
    assert not plan.folder.exists()  # what was made up is removed


def test_the_command_that_repeats_a_figure_has_the_options(
    tiny_bundle: Path, tmp_path: Path, plans: list[Plan]
) -> None:
    manifest = tmp_path / "my clips.jsonl"
    given = ("--bundle", tiny_bundle, "--manifest", manifest, "--repeats", 5, "--full")
    result = run("bench", "title", "start", *given, "--format", "json")
    assert result.returncode == 0, result.stderr
    [command, _] = [figure["command"] for figure in json.loads(result.stdout)["figures"]]
    assert command == f"videotag bench title --bundle {tiny_bundle} --manifest '{manifest}' --repeats 5 --full"
    assert [(plan.sizes, plan.repeats, plan.manifest) for plan in plans] == [(FULL, 5, manifest)] * 2


def test_an_unknown_figure_is_wrong_usage(plans: list[Plan]) -> None:
    result = run("bench", "speed")
    assert result.returncode == 2
    assert "'speed' is not one of ingest, loop" in result.stderr
    assert not plans


def test_a_missing_bundle_is_one_error(tmp_path: Path, plans: list[Plan]) -> None:
    error, *_ = error_lines(run("bench", "title", "--bundle", tmp_path / "none"))
    assert "none" in error
    assert not plans


def test_a_missing_clip_is_one_error(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"video_id": "a", "uri": "gone.mp4"}\n')
    error, hint = error_lines(run("bench", "ingest", "--bundle", tiny_bundle, "--manifest", manifest))
    assert "no clip at" in error
    assert "gone.mp4" in error
    assert "check the uri" in hint
