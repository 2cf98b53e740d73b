"""The `videotag topics serve` command: the gRPC service of topics."""

from pathlib import Path
from typing import Annotated

import typer

from tagging.cli import options
from tagging.cli.console import needs_extra
from tagging.cli.serve_model import overridden, serve_model


def command(
    model: Annotated[Path, typer.Argument(metavar="DIR", help="Topic model of `videotag topics fit`.")],
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="ADDRESS", help="HOST:PORT or unix:/PATH (default: 127.0.0.1:50052)."),
    ] = None,
    database: options.TopicDatabase = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="TOML file of tagging/topics/service/config.py."),
    ] = None,
) -> None:
    """Serve topics, their queues and candidates over gRPC until SIGINT or SIGTERM; then finish running calls.

    The videos of the model's pool enter the queues at the first start, later ones by `assign --database`.

    [bold]Examples[/bold]

    videotag topics serve topics/monday --database sqlite:////var/lib/videotag/topics.db

    videotag topics serve topics/monday --config topics.toml
    """
    from tagging.service.config import read_settings
    from tagging.topics.service.config import TopicServiceConfig

    settings = overridden(read_settings(config, TopicServiceConfig), listen, database)
    with needs_extra("service"):
        from tagging.topics.service.server import serving
    serve_model("topics", settings, lambda settings, tracer: serving(model, settings, tracer))
