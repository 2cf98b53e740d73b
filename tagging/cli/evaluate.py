"""The `videotag evaluate` command: metrics of a bundle on labelled videos."""

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table, progress


def command(
    manifest: options.Manifests,
    bundle: options.Bundle = None,
    columns: options.Columns = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Use only the uploaders that `train --holdout` held out.")
    ] = False,
    split: Annotated[str | None, typer.Option("--split", help="Use only rows of this split.")] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="DIR",
            help="Write the 200 best tags of each video, a file per channel and union.jsonl; must not exist.",
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="FILE.png", help="Draw a reliability diagram."),
    ] = None,
    features: options.Features = None,
    runtime: options.Runtime = None,
    output: options.Output = Format.table,
) -> None:
    """Measure a bundle on labelled videos that it was not trained on.

    The tables show recall of each channel and of their union, ranking metrics, a comparison with the classifier alone
    and with the ranker without recall, calibration of the confidences, and the precision and coverage of target
    precisions.

    [bold]Examples[/bold]

    videotag evaluate --bundle bundles/news --manifest test.jsonl

    videotag evaluate --bundle bundles/t --manifest t.parquet --map uploader_id=channel_id --held-out --format json
    """
    from tagging.evaluation.run import evaluate
    from tagging.files.atomic import atomic_folder
    from tagging.manifests.read import parse_columns
    from tagging.store.features import FeatureStore

    with atomic_folder(predictions) if predictions else nullcontext() as folder:
        report = evaluate(
            bundle or paths.default_bundle(),
            manifest,
            parse_columns(columns or []),
            FeatureStore(features or paths.features()),
            progress(),
            held_out=held_out,
            split=split,
            predictions=folder,
            figure=figure,
            runtime=runtime,
        )
    if output is Format.json:
        print_json(asdict(report))
        return
    print_lines([f"bundle {report.bundle}: {report.videos:,} videos with tags"])
    print_table(report.recall, "Recall")
    print_table(report.ranking, "Ranking")
    print_table(report.systems, "Systems")
    print_table(report.calibration, "Calibration of the tags that may be answered")
    if report.promises:
        print_table(report.promises, "Target precisions")
