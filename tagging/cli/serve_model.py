"""Serving of one model by the commands `videotag topics serve` and `videotag recommend serve`."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar

from tagging.cli import options
from tagging.cli.serve import listening_at, serve_and_exit, shown

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from tagging.service.config import ModelServiceConfig
    from tagging.service.model_server import Running

Settings = TypeVar("Settings", bound="ModelServiceConfig")


def overridden(settings: Settings, listen: str | None, database: str | None) -> Settings:
    """Return the settings with --listen and --database. Raises typer.BadParameter for an invalid address."""
    if listen is not None:
        settings = settings.model_copy(update={"listen": listening_at(settings.listen, listen)})
    if database is not None:
        settings = settings.model_copy(update={"database": options.database_at(database, settings.database)})
    return settings


def serve_model(
    name: str,
    settings: Settings,
    serving: "Callable[[Settings, Tracer], AbstractAsyncContextManager[Running]]",
) -> None:
    """Serve until SIGINT or SIGTERM. name: of the kind of model, in the line that is printed once it serves"""
    serve_and_exit(
        settings.observe,
        lambda tracer: serving(settings, tracer),
        lambda running: f"serving {name} {running.version} on {shown(settings.listen.address, running.port)}",
        settings.drain_s,
    )
