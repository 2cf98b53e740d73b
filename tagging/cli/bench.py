"""The `videotag bench` command: measures speed as ratios of one run."""

import shlex
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.bench.names import FIGURES, ONLY_FULL
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_table, progress

REPEATS = 3

_LISTED = ", ".join(
    f"{name} ({'only with --full: ' if name in ONLY_FULL else ''}{about})" for name, about in FIGURES.items()
)


def _figure(value: str) -> str:
    if value not in FIGURES:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(FIGURES)}")
    return value


def command(
    figures: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FIGURE]...", parser=_figure, help=f"Figures to measure (default: all): {_LISTED}."),
    ] = None,
    bundle: options.Bundle = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="FILE", help="Table of clips and titles (default: drawn ones)."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Measure larger sizes, which takes much longer.")] = False,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, metavar="N", help="How often the two sides of a ratio take turns.")
    ] = REPEATS,
    output: options.Output = Format.table,
) -> None:
    """Measure speed and memory as ratios of one run, with the command that repeats each figure.

    The two sides of a ratio take turns, so that other load on the machine affects both. Curves have the exponent of the
    power law through their points, and are marked if it is above linear.

    [bold]Examples[/bold]

    videotag bench

    videotag bench ingest title --bundle bundles/first --manifest clips.jsonl --format json
    """
    from tagging.bench.plan import FULL, SHORT, Plan
    from tagging.bench.run import as_json, chosen, curve_rows, figure_rows, run

    def command_of(name: str) -> str:
        given = {"--bundle": bundle, "--manifest": manifest, "--repeats": repeats if repeats != REPEATS else None}
        pairs = [word for option, value in given.items() if value is not None for word in (option, str(value))]
        return shlex.join(["videotag", "bench", name, *pairs, *(["--full"] if full else [])])

    with tempfile.TemporaryDirectory(prefix="videotag-bench-") as folder:
        sizes = FULL if full else SHORT
        plan = Plan(bundle or paths.default_bundle(), manifest, sizes, repeats, Path(folder), progress())
        report = run(chosen(figures or (), full), plan)
    if output is Format.json:
        print_json(as_json(report, command_of))
        return
    print_table(list(report.machine))
    print_table(figure_rows(report, command_of), "Figures")
    if report.unmeasured:
        print_table(list(report.unmeasured), "Not measured")
    for figure in report.figures:
        if figure.parts:
            print_table(list(figure.parts), f"{figure.name}: {figure.meaning}")
    if curves := curve_rows(report):
        print_table(curves, "Growth: exponent b of cost = a · size^b")
