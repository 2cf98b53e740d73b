"""The `videotag quickstart` command: tags a generated clip, then trains a bundle and tags it again."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, now, print_json, print_lines, print_table, progress
from tagging.cli.tag import print_answer


def command(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Output folder (default: in your data folder).")
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """Tag a clip with the starter bundle, then train a bundle with new tags, in half a minute.

    Needs no download. The second part generates a small labelled corpus, trains a bundle on it, evaluates it, and tags
    the clip again with it.

    [bold]Examples[/bold]

    videotag quickstart

    videotag quickstart --out demo
    """
    from tagging.quickstart.run import run_quickstart
    from tagging.store.answer_json import printed_answer

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
    shown_clip = [f"{result.clip}", f"title: {result.title}", f"true tags: {', '.join(result.true_tags)}", ""]
    print_lines(["1. Answer of the starter bundle for a generated clip", "", *shown_clip])
    print_answer(result.before)
    counts = result.training.counts
    print_lines(
        [
            "",
            f"2. A bundle trained with {counts['tags']} tags on {counts['videos']} videos: {result.training.bundle}",
            "text is encoded by multilingual-e5, frames and sound by simple statistics: enough for generated clips",
        ]
    )
    shown = ("channel", "videos", "videos_looked_at", "recall_at_5", "recall_at_20")
    print_table(
        [{name: row[name] for name in shown} for row in result.evaluation.recall],
        f"Recall on {result.evaluation.videos} test clips",
    )
    print_lines(["", "Answer of the trained bundle for the same clip", ""])
    print_answer(result.answer)
    bundle = shlex.quote(result.training.bundle)
    print_lines(["", f"next: videotag tag YOUR_CLIP --title ..., or {shlex.quote(str(result.clip))} --bundle {bundle}"])
