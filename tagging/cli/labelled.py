"""The `videotag labelled` commands: labelled videos added to a bundle after training."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, now, print_json, print_table, progress

app = typer.Typer(help="Labelled videos added after training.", no_args_is_help=True)
Log = Annotated[Path, typer.Option("--log", metavar="FILE", help="Log of labelled videos; created if missing.")]
OldLog = Annotated[Path, typer.Option("--log", metavar="FILE", help="Log of labelled videos.")]


@app.callback()
def labelled() -> None:
    """Labelled videos added after training, which take part in neighbour voting at once."""


@app.command("add")
def add_command(
    log: Log,
    manifest: options.Manifests,
    bundle: options.Bundle = None,
    columns: options.Columns = None,
    features: options.Features = None,
    output: options.Output = Format.table,
) -> None:
    """Append labelled videos to a log; a video that is already in the log is replaced.

    With `videotag tag --labelled FILE` they take part in neighbour voting, in any bundle with the same encoders. Run
    the command again to resume a killed run.

    [bold]Examples[/bold]

    videotag labelled add --manifest today.jsonl --bundle bundles/news --log late.log

    videotag tag --title "How to tune a guitar" --bundle bundles/news --labelled late.log
    """
    from tagging.maintenance.append_labelled import append_labelled
    from tagging.manifests.read import parse_columns
    from tagging.store.features import FeatureStore

    store = FeatureStore(features or paths.features())
    report = append_labelled(
        bundle or paths.default_bundle(), manifest, parse_columns(columns or []), log, store, progress()
    )
    if output is Format.json:
        print_json(asdict(report))
    else:
        print_table([asdict(report)])


@app.command("remove")
def remove_command(
    log: Log,
    video_ids: Annotated[list[str], typer.Argument(metavar="VIDEO_ID...", help="Videos to remove.")],
    output: options.Output = Format.table,
) -> None:
    """Remove labelled videos from neighbour voting, whether the bundle or the log contains them.

    [bold]Examples[/bold]

    videotag labelled remove clip-17 clip-18 --log late.log
    """
    from tagging.maintenance.append_labelled import append_removals

    report = {"log": str(log), "removed": append_removals(log, video_ids)}
    if output is Format.json:
        print_json(report)
    else:
        print_table([report])


@app.command("fold")
def fold_command(
    log: OldLog,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The bundle to write; must not exist.")],
    bundle: options.Bundle = None,
    output: options.Output = Format.table,
) -> None:
    """Write a bundle that contains the videos of a log, with its indexes rebuilt and without training.

    The log may be deleted when no older bundle is served.

    [bold]Examples[/bold]

    videotag labelled fold --bundle bundles/news --log late.log --out bundles/news-2
    """
    from tagging.maintenance.fold_labelled import fold_labelled

    report = fold_labelled(bundle or paths.default_bundle(), log, out, progress(), created=now())
    if output is Format.json:
        print_json(asdict(report))
    else:
        print_table([asdict(report)])
