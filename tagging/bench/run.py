"""Run of the benchmark: the chosen figures one after the other, with the machine that they were measured on."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tagging.bench import decode, encoders, growth, ingest, loop, runtimes, search, start, title, training
from tagging.bench.figure import Curve, Figure, Ratio, Row
from tagging.bench.machine import machine
from tagging.bench.names import FIGURES, ONLY_FULL
from tagging.bench.plan import Plan
from tagging.bundle.manifest import BUNDLE
from tagging.errors import MissingPackageError

MEASURES: dict[str, Callable[[Plan], list[Figure]]] = {
    "ingest": ingest.measure,
    "loop": loop.measure,
    "title": title.measure,
    "encoders": encoders.measure,
    "runtimes": runtimes.measure,
    "decode": decode.measure,
    "search": search.measure,
    "growth": growth.measure,
    "start": start.measure,
    "training": training.measure,
}


@dataclass(frozen=True, slots=True)
class Report:
    machine: Sequence[Row]
    figures: Sequence[Figure]
    unmeasured: Sequence[Row]  # figure and reason


def chosen(named: Iterable[str], full: bool) -> list[str]:
    """Return the figures to measure, in their order: the named ones, or all; some of all only if `full`."""
    names = set(named) or {name for name in FIGURES if full or name not in ONLY_FULL}
    return [name for name in FIGURES if name in names]


def run(names: Sequence[str], plan: Plan) -> Report:
    """Measure the figures one after the other.

    A figure whose optional packages are missing is reported as unmeasured, unless it is the only one: then its
    MissingPackageError is raised. Raises what the figures raise, and ArtifactError for a missing bundle before any.
    """
    BUNDLE.read(plan.bundle)
    about, figures, unmeasured = machine(), [], []
    for name in names:
        try:
            figures += MEASURES[name](plan)
        except MissingPackageError as error:
            if len(names) == 1:
                raise
            unmeasured.append({"not measured": name, "reason": f"{error.message}; {error.hint}"})
    return Report(about, figures, unmeasured)


def figure_rows(report: Report, command_of: Callable[[str], str]) -> list[Row]:
    """Return a row for each figure; command_of: the command that repeats a figure, by its name."""
    return [
        {
            "figure": figure.name,
            "ratio of": figure.meaning,
            "ratio": figure.ratio.median,
            "10-90 %": _spread(figure.ratio),
            "by CPU time": None if figure.cpu_ratio is None else figure.cpu_ratio.median,
            "command": command_of(figure.name),
        }
        for figure in report.figures
    ]


def curve_rows(report: Report) -> list[Row]:
    """Return a row for each curve, with its exponent; one above linear is marked."""
    return [
        {
            "figure": figure.name,
            "curve": curve.name,
            "over": curve.size_name,
            "from": curve.points[0][0],
            "to": curve.points[-1][0],
            "exponent": round(curve.exponent, 2) + 0.0,  # not -0
            "": "above linear" if curve.is_above_linear else "",
        }
        for figure in report.figures
        for curve in figure.curves
    ]


def as_json(report: Report, command_of: Callable[[str], str]) -> dict[str, object]:
    """Return the report as one JSON object."""
    return {
        "machine": {row["machine"]: row["value"] for row in report.machine},
        "figures": [
            {
                "figure": figure.name,
                "ratio_of": figure.meaning,
                "ratio": _ratio(figure.ratio),
                "cpu_ratio": _ratio(figure.cpu_ratio),
                "command": command_of(figure.name),
                "parts": list(figure.parts),
                "curves": [_curve(curve) for curve in figure.curves],
            }
            for figure in report.figures
        ],
        "unmeasured": {row["not measured"]: row["reason"] for row in report.unmeasured},
    }


def _ratio(ratio: Ratio | None) -> Row | None:
    return None if ratio is None else {"median": ratio.median, "p10": ratio.low, "p90": ratio.high}


def _curve(curve: Curve) -> Row:
    return {
        "curve": curve.name,
        "over": curve.size_name,
        "cost": curve.cost_name,
        "points": [list(point) for point in curve.points],
        "exponent": curve.exponent,
        "above_linear": curve.is_above_linear,
    }


def _spread(ratio: Ratio) -> str:
    return f"{ratio.low:.3g}-{ratio.high:.3g}"
