"""The `videotag train` command: trains a bundle on labelled videos."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, now, print_json, print_table, progress


def command(
    manifest: options.Manifests,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The bundle to write; must not exist.")],
    profile: options.Profile = "offline",
    config: options.ConfigFiles = None,
    columns: options.Columns = None,
    holdout: Annotated[
        float | None,
        typer.Option("--holdout", min=0, max=0.99, help="Share of uploaders to hold out for `evaluate --held-out`."),
    ] = None,
    aliases: Annotated[
        Path | None,
        typer.Option(
            "--aliases", metavar="FILE", help="CSV of `videotag tags aliases`: rows with accept = yes are merged."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="Save the ranker's training in this file; running the same command again resumes from it.",
        ),
    ] = None,
    features: options.Features = None,
    output: options.Output = Format.table,
) -> None:
    """Train a bundle on labelled videos. A killed run resumes with the features that it had extracted.

    [bold]Examples[/bold]

    videotag train --manifest videos.jsonl --out bundles/news

    videotag train --manifest t.parquet --map uploader_id=channel_id --holdout 0.1 --out bundles/t
    """
    from tagging.config.profiles import load_config
    from tagging.manifests.read import parse_columns
    from tagging.store.features import FeatureStore
    from tagging.training.run import train

    settings = load_config(profile, *(config or []))
    if holdout is not None:
        training = settings.training.model_copy(update={"holdout": holdout})
        settings = settings.model_copy(update={"training": training})
    store = FeatureStore(features or paths.features())
    report = train(
        manifest,
        parse_columns(columns or []),
        out,
        settings,
        store,
        progress(),
        created=now(),
        aliases=aliases,
        checkpoint=checkpoint,
    )
    if output is Format.json:
        print_json(asdict(report))
        return
    print_table([{"bundle": report.bundle, "version": report.version}])
    print_table([{"count": name, "": n} for name, n in report.counts.items()])
    print_table([{"stage": name, "seconds": s} for name, s in report.seconds.items()])
