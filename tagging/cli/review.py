"""The `videotag review` command: an editor accepts, rejects and adds tags in the browser."""

import signal
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import now, print_lines


def command(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="JSONL, CSV or parquet table of videos.")],
    bundle: options.Bundle = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FEEDBACK.jsonl",
            help="File of the feedback; may be of an earlier review, which continues (default: MANIFEST's name with "
            ".feedback.jsonl, in this folder).",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="N", help="Port on this machine (default: any free one).")
    ] = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="End after N confirmed videos.")
    ] = None,
    columns: options.Columns = None,
    runtime: options.Runtime = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
) -> None:
    """Review the tags of videos in the browser, first where much-used tags are in doubt. Ctrl-C ends it.

    Every key stroke is on disk at once; the same command continues where a review has stopped. The file is a manifest
    for `videotag train`, and `videotag feedback import` stores it in a service's database.

    [bold]Examples[/bold]

    videotag review videos.jsonl --out feedback.jsonl

    videotag review videos.parquet --bundle bundles/news --limit 50 --no-browser

    videotag train --manifest labelled.parquet --manifest feedback.jsonl --out bundles/next
    """
    from tagging.inspection.review.run import ReviewOptions, review
    from tagging.manifests.read import parse_columns

    file = out or Path(f"{manifest.stem}.feedback.jsonl")
    chosen = ReviewOptions(
        manifest, parse_columns(columns or []), bundle or paths.default_bundle(), file, port, limit, runtime
    )
    stop = threading.Event()

    def show(address: str) -> None:
        print_lines([f"review at {address}", "Ctrl-C ends it"])
        if not no_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # it may block

    with _first_signal_sets(stop):
        summary = review(chosen, now, show, stop)
    unreadable = f"; {summary.unreadable} could not be read" if summary.unreadable else ""
    print_lines(
        [
            f"reviewed {_counted(summary.videos, 'video')}: {_counted(summary.accepted, 'tag')} accepted, "
            f"{summary.rejected} rejected, {summary.added} added{unreadable}; "
            f"{file} has {_counted(summary.in_file, 'video')}"
        ]
    )


@contextmanager
def _first_signal_sets(stop: threading.Event) -> Iterator[None]:
    """End by an event at the first signal, after which a second one stops the process as in every command."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request_stop(*_: object) -> None:
        restore()
        if stop.is_set():
            return
        stop.set()
        sys.stderr.write("ending after the video in work; Ctrl-C again stops at once\n")

    for number in numbers:
        signal.signal(number, request_stop)
    try:
        yield
    finally:
        restore()


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
