"""Developer tools, `python -m tagging.tools`: benchmarks, distillation, starter bundle, load tests, code structure."""

from collections.abc import Sequence

import typer

from tagging.cli.console import configure_output, errors_in_one_line
from tagging.tools import structure
from tagging.tools.benchmarks import commands as benchmarks
from tagging.tools.distillation import commands as distillation
from tagging.tools.load_test import commands as load_test
from tagging.tools.starter import commands as starter

app = typer.Typer(
    help="Tools for the developers of videotag.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(benchmarks.app, name="benchmarks")
app.add_typer(distillation.app, name="distillation")
app.add_typer(starter.app, name="starter")
app.add_typer(load_test.app, name="load-test")
app.command("structure")(structure.command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; None: of the process's arguments. Ends in SystemExit, with the exit codes of `videotag`."""
    configure_output()
    with errors_in_one_line():
        app(arguments)


if __name__ == "__main__":
    main()
