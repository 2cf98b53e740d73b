"""The `videotag recommend add` and `serve` commands: new uploads, and the gRPC service that recommends them."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, needs_extra, now, print_json, print_lines, print_table, progress
from tagging.cli.serve_model import overridden, serve_model

ModelFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Model of `videotag recommend train`.")]


def add_command(
    model: ModelFolder,
    manifest: Annotated[
        list[Path],
        typer.Option(
            "--manifest",
            metavar="PATH",
            help="Table of new uploads, or the folder of tags that `videotag batch` wrote; may be repeated.",
        ),
    ],
    database: options.RecommendationDatabase = None,
    columns: options.Columns = None,
    features: options.Features = None,
    output: options.Output = Format.table,
) -> None:
    """Add new uploads, which the model was not trained with, to those that `recommend serve` recommends.

    They are known by their tags, texts and embeddings; an upload that was added before is replaced.

    [bold]Examples[/bold]

    videotag recommend add towers/monday --manifest today.jsonl --database sqlite:////var/lib/videotag/uploads.db

    videotag batch today.jsonl --out today

    videotag recommend add towers/monday --manifest today/tagged --database sqlite:////var/lib/videotag/uploads.db
    """
    with needs_extra("service"):
        from tagging.recommendation.service.add_videos import add_videos
    from tagging.manifests.read import parse_columns
    from tagging.store.database.config import DatabaseConfig
    from tagging.store.features import FeatureStore

    settings = DatabaseConfig() if database is None else options.database_at(database, DatabaseConfig())
    store = FeatureStore(features or paths.features())
    report = add_videos(model, manifest, parse_columns(columns or []), settings, store, progress(), now())
    if output is Format.json:
        print_json(asdict(report))
        return
    print_table([{"model": report.model_version, "videos": report.videos}])
    if report.without_any_view:
        print_lines([f"cannot be recommended, as nothing is known of them: {', '.join(report.without_any_view)}"])


def serve_command(
    model: ModelFolder,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="ADDRESS", help="HOST:PORT or unix:/PATH (default: 127.0.0.1:50053)."),
    ] = None,
    database: options.RecommendationDatabase = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="TOML file of tagging/recommendation/service/config.py."),
    ] = None,
) -> None:
    """Recommend new uploads by what a user watched, over gRPC until SIGINT or SIGTERM; then finish running calls.

    `recommend add` adds the uploads, also while the service runs.

    [bold]Examples[/bold]

    videotag recommend serve towers/monday --database sqlite:////var/lib/videotag/uploads.db

    videotag recommend serve towers/monday --config recommendation.toml
    """
    from tagging.service.config import read_settings

    with needs_extra("service"):
        from tagging.recommendation.service.config import RecommendationServiceConfig
        from tagging.recommendation.service.server import serving

    settings = overridden(read_settings(config, RecommendationServiceConfig), listen, database)
    serve_model("recommendations of", settings, lambda settings, tracer: serving(model, settings, tracer))
