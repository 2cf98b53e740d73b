"""`videotag quickstart`"""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, now, print_json, print_lines, print_table, progress
from tagging.cli.tag import print_answer
from tagging.store.answer_json import printed_answer


def command(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to put it (default: your data folder).")
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """From nothing to tags in half a minute: tag a clip with the bundle that is there, then learn one's own tags.

    Needs no download. The second part draws a small labelled corpus, trains a bundle on it, measures it, and tags the
    clip again with that.

    [bold]Examples[/bold]

    videotag quickstart

    videotag quickstart --out demo
    """
    from tagging.quickstart.run import run_quickstart

    folder = out or paths.quickstart()
    result = run_quickstart(folder, progress(), paths.default_bundle(), created=now())
    if output is Format.json:
        print_json(
            {
                "bundle": result.training.bundle,
                "clip": str(result.clip),
                "title": result.title,
                "true_tags": list(result.true_tags),
                "recall": result.evaluation.recall,
                "before": printed_answer(result.before),
                "answer": printed_answer(result.answer),
            }
        )
        return
    shown_clip = [f"{result.clip}", f"title: {result.title}", f"drawn as: {', '.join(result.true_tags)}", ""]
    print_lines(["1. The starter bundle, which has learnt from nobody's videos, about a drawn clip", "", *shown_clip])
    print_answer(result.before)
    counts = result.training.counts
    print_lines(
        [
            "",
            f"2. A bundle that learnt {counts['tags']} tags from {counts['videos']} videos: {result.training.bundle}",
            "text is read by MiniLM, picture and sound by plain statistics: enough for drawings and tones",
        ]
    )
    shown = ("channel", "videos", "videos_looked_at", "recall_at_5", "recall_at_20")
    print_table(
        [{name: row[name] for name in shown} for row in result.evaluation.recall],
        f"Recall on {result.evaluation.videos} clips kept aside",
    )
    print_lines(["", "The same clip again", ""])
    print_answer(result.answer)
    bundle = shlex.quote(result.training.bundle)
    print_lines(["", f"next: videotag tag YOUR_CLIP --title ..., or {shlex.quote(str(result.clip))} --bundle {bundle}"])
