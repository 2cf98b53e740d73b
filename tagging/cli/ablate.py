"""The `videotag ablate` commands: ablations of the ranker's training."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table, progress

app = typer.Typer(help="Measure the ranker's negatives.", no_args_is_help=True)


@app.command("negatives")
def negatives(
    manifest: options.Manifests,
    columns: options.Columns = None,
    profile: options.Profile = "offline",
    config: options.ConfigFiles = None,
    holdout: Annotated[
        float, typer.Option("--holdout", min=0.01, max=0.9, help="Share of the uploaders to test on.")
    ] = 0.15,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Number of trainings per setting.")] = 3,
    example: Annotated[
        str | None, typer.Option("--example", metavar="VIDEO_ID", help="Held-out video whose first tags are shown.")
    ] = None,
    features: options.Features = None,
    output: options.Output = Format.table,
) -> None:
    """Train the ranker with 10 negatives, 400, 400 plus 2-hop negatives, and as configured, and compare the results.

    [bold]Example[/bold]

    videotag ablate negatives --manifest talks.parquet --seeds 3
    """
    from tagging.config.profiles import load_config
    from tagging.evaluation.negatives import ablate_negatives
    from tagging.manifests.read import parse_columns
    from tagging.store.features import FeatureStore

    settings = load_config(profile, *(config or []))
    training = settings.training.model_copy(update={"holdout": holdout})
    first = training.seed
    report = ablate_negatives(
        manifest,
        parse_columns(columns or []),
        settings.model_copy(update={"training": training}),
        FeatureStore(features or paths.features()),
        progress(),
        range(first, first + seeds),
        example,
    )
    if output is Format.json:
        print_json(asdict(report))
        return
    print_lines([f"{report.videos:,} videos to train on, {report.tested:,} to test on, {report.tags:,} tags"])
    print_table(report.table, "Negatives: means over the seeds, and standard deviations as spread")
    print_table(report.example_tags, f"First tags of {report.example!r}")


@app.command("false-negatives")
def false_negatives(
    manifest: options.Manifests,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE.csv", help="200 sampled pairs to review; must not exist."),
    ],
    columns: options.Columns = None,
    profile: options.Profile = "offline",
    config: options.ConfigFiles = None,
    features: options.Features = None,
    output: options.Output = Format.table,
) -> None:
    """Hide some labels from training and count how often each source draws them as negatives.

    [bold]Example[/bold]

    videotag ablate false-negatives --manifest talks.parquet --out pairs.csv
    """
    from tagging.config.profiles import load_config
    from tagging.evaluation.false_negatives import measure_false_negatives
    from tagging.manifests.read import parse_columns
    from tagging.store.features import FeatureStore

    settings = load_config(profile, *(config or []))
    store = FeatureStore(features or paths.features())
    report = measure_false_negatives(manifest, parse_columns(columns or []), settings, store, progress(), out)
    if output is Format.json:
        print_json(asdict(report))
        return
    print_lines([f"{report.hidden:,} labels of {report.videos:,} videos hidden; pairs to review: {report.sample}"])
    print_table(report.table, "Negatives that are hidden labels")
