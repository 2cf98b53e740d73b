"""The run of figures and its report."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tagging.bench import run as bench
from tagging.bench.figure import Curve, Figure, Ratio
from tagging.bench.names import FIGURES
from tagging.bench.plan import Plan
from tagging.errors import ArtifactError, MissingPackageError
from tests.tagging.bench.conftest import MakePlan

CURVES = (
    Curve("flat", "rows", "ms", ((1.0, 2.0), (10.0, 2.0))),
    Curve("steep", "rows", "ms", ((1.0, 1.0), (10.0, 100.0))),
)


def figure(name: str) -> Figure:
    return Figure(name, "a / b", Ratio(2.0, 1.0, 3.0), Ratio(4.0, 4.0, 4.0), ({"row": 1},), CURVES)


def measures(*missing: str) -> Mapping[str, Callable[[Plan], list[Figure]]]:
    def measure_of(name: str) -> Callable[[Plan], list[Figure]]:
        def measure(_: Plan) -> list[Figure]:
            if name in missing:
                raise MissingPackageError("it needs x", "install x")
            return [figure(name)]

        return measure

    return {name: measure_of(name) for name in FIGURES}


def test_every_named_figure_can_be_measured() -> None:
    assert list(bench.MEASURES) == list(FIGURES)


def test_all_figures_but_the_long_one_are_the_default() -> None:
    assert bench.chosen([], full=False) == [name for name in FIGURES if name != "training"]
    assert bench.chosen([], full=True) == list(FIGURES)
    assert bench.chosen(["training", "ingest"], full=False) == ["ingest", "training"]


def test_a_figure_whose_packages_are_missing_is_reported_and_the_others_are_measured(
    tiny_bundle: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "MEASURES", measures("loop"))
    report = bench.run(["ingest", "loop", "title"], make_plan(tiny_bundle))
    assert [each.name for each in report.figures] == ["ingest", "title"]
    assert report.unmeasured == [{"not measured": "loop", "reason": "it needs x; install x"}]
    with pytest.raises(MissingPackageError):
        bench.run(["loop"], make_plan(tiny_bundle))


def test_a_missing_bundle_is_an_error_before_any_figure(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "MEASURES", {})
    with pytest.raises(ArtifactError):
        bench.run(["ingest"], make_plan(tmp_path / "none"))


def test_the_rows_have_the_ratio_its_spread_and_the_command() -> None:
    report = bench.Report([], [figure("title")], [])
    assert bench.figure_rows(report, "videotag bench {}".format) == [
        {
            "figure": "title",
            "ratio of": "a / b",
            "ratio": 2.0,
            "10-90 %": "1-3",
            "by CPU time": 4.0,
            "command": "videotag bench title",
        }
    ]


def test_a_curve_above_linear_is_marked() -> None:
    rows = bench.curve_rows(bench.Report([], [figure("title")], []))
    assert [(row["curve"], row["exponent"], row[""]) for row in rows] == [
        ("flat", 0.0, ""),
        ("steep", 2.0, "above linear"),
    ]


def test_the_json_has_every_figure_with_parts_and_curves() -> None:
    report = bench.Report([{"machine": "cores", "value": "2"}], [figure("title")], [])
    found = json.loads(json.dumps(bench.as_json(report, "videotag bench {}".format), allow_nan=False))
    assert found == {
        "machine": {"cores": "2"},
        "figures": [
            {
                "figure": "title",
                "ratio_of": "a / b",
                "ratio": {"median": 2.0, "p10": 1.0, "p90": 3.0},
                "cpu_ratio": {"median": 4.0, "p10": 4.0, "p90": 4.0},
                "command": "videotag bench title",
                "parts": [{"row": 1}],
                "curves": [
                    {
                        "curve": curve.name,
                        "over": "rows",
                        "cost": "ms",
                        "points": [list(point) for point in curve.points],
                        "exponent": pytest.approx(exponent),
                        "above_linear": exponent > 1,
                    }
                    for curve, exponent in zip(CURVES, (0.0, 2.0), strict=True)
                ],
            }
        ],
        "unmeasured": {},
    }
