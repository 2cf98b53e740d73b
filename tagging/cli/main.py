"""The `videotag` command. A command parses, calls one library function and prints.

Exit codes: 0 done, 1 a known error, reported as one line and a hint, 2 wrong usage, 130 and 143 stopped by a signal.
"""

import signal
import sys

import typer

from tagging.cli import (
    ablate,
    batch,
    bench,
    bundles,
    evaluate,
    feedback,
    inspect,
    labelled,
    models,
    quickstart,
    recommend,
    results,
    review,
    serve,
    service,
    tag,
    tags,
    topics,
    train,
    triton,
)
from tagging.cli.console import configure_output, errors_in_one_line

app = typer.Typer(
    help="Tag videos from their frames, sound and text, and show the evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)
app.command("quickstart")(quickstart.command)
app.command("train")(train.command)
app.command("evaluate")(evaluate.command)
app.command("tag")(tag.command)
app.command("inspect")(inspect.command)
app.command("batch")(batch.command)
app.command("review")(review.command)
app.command("serve")(serve.command)
app.command("bench")(bench.command)
app.add_typer(ablate.app, name="ablate")
app.add_typer(tags.app, name="tags")
app.add_typer(labelled.app, name="labelled")
app.add_typer(topics.app, name="topics")
app.add_typer(recommend.app, name="recommend")
app.add_typer(feedback.app, name="feedback")
app.add_typer(results.app, name="results")
app.add_typer(models.app, name="models")
app.add_typer(bundles.app, name="bundles")
app.add_typer(triton.app, name="triton")
app.add_typer(service.app, name="service")


def main() -> None:
    configure_output()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    with errors_in_one_line():
        app()


def _stop(number: int, _: object) -> None:
    """Exit by an exception, so that partial output is cleaned up and complete output is kept."""
    sys.stderr.write("stopped\n")
    sys.exit(128 + number)
