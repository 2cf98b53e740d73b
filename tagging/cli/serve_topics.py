"""The `videotag topics serve` command: the gRPC service of topics."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging.cli import options
from tagging.cli.console import needs_extra
from tagging.cli.serve import serve_until_signal, shown
from tagging.errors import InvalidConfigError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from tagging.topics.service.config import TopicServiceConfig


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
    import asyncio

    from tagging.service.config import read_settings, with_address
    from tagging.topics.service.config import TopicServiceConfig

    settings = read_settings(config, TopicServiceConfig)
    if listen is not None:
        try:
            settings = settings.model_copy(update={"listen": with_address(settings.listen, listen)})
        except InvalidConfigError as error:
            raise typer.BadParameter(f"{error.message}: {error.hint}", param_hint="--listen") from error
    if database is not None:
        settings = settings.model_copy(update={"database": options.database_at(database, settings.database)})
    with needs_extra("service"):
        from tagging.service.observe.logs import json_logs
        from tagging.service.observe.traces import tracing

    with json_logs(settings.observe.logs, sys.stderr), tracing(settings.observe.traces) as tracer:
        asyncio.run(_serve(model, settings, tracer))


async def _serve(model: Path, settings: "TopicServiceConfig", tracer: "Tracer") -> None:
    from tagging.topics.service.server import serving

    await serve_until_signal(
        serving(model, settings, tracer),
        lambda running: f"serving topics {running.topics_version} on {shown(settings.listen.address, running.port)}",
    )
