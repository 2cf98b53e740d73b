"""`videotag quickstart`"""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tagging import places
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table, progress
from tagging.cli.tag import as_json, print_answer


def command(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to put it (default: your data folder).")
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """From nothing to tags in a minute or two: draw a small corpus, train on it, measure, tag a clip.

    Needs no download. The bundle it leaves is the default of every command without --bundle.

    [bold]Examples[/bold]

    videotag quickstart

    videotag quickstart --out demo
    """
    from tagging.quickstart.run import run_quickstart

    folder = out or places.quickstart()
    result = run_quickstart(folder, progress())
    if output is Format.json:
        print_json(
            {
                "bundle": result.training.bundle,
                "clip": str(result.clip),
                "title": result.title,
                "true_tags": list(result.true_tags),
                "recall": result.evaluation.recall,
                "answer": as_json(result.answer),
            }
        )
        return
    counts = result.training.counts
    print_lines(
        [
            f"trained on {counts['videos']} videos with {counts['tags']} tags: {result.training.bundle}",
            "text is read by MiniLM; picture and sound by plain statistics, until trained encoders ship",
        ]
    )
    shown = ("channel", "videos", "videos_looked_at", "recall_at_5", "recall_at_20")
    print_table(
        [{name: row[name] for name in shown} for row in result.evaluation.recall],
        f"Recall on {result.evaluation.videos} clips kept aside",
    )
    print_lines(["", f"{result.clip}", f"title: {result.title}", f"drawn as: {', '.join(result.true_tags)}", ""])
    print_answer(result.answer)
    where = "" if out is None else f" --bundle {shlex.quote(result.training.bundle)}"
    print_lines(["", f"next: videotag tag {shlex.quote(str(result.clip))}{where}"])
