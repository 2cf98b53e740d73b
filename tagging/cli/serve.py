"""`videotag serve`"""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from tagging import places
from tagging.cli import options
from tagging.cli.console import needs_extra, tell
from tagging.service.settings import ServiceConfig, listening, read_settings


def command(
    bundle: options.Bundle = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen (default: 127.0.0.1:50051).")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="TOML file with the service's settings.")
    ] = None,
) -> None:
    """Answer gRPC calls until told to stop; then say so to health checks, and let running calls end.

    [bold]Examples[/bold]

    videotag serve --bundle bundles/news --listen 127.0.0.1:50051

    videotag serve --config service.toml
    """
    settings = read_settings(config)
    if listen is not None:
        settings = settings.model_copy(update={"listen": listening(settings.listen, listen)})
    asyncio.run(_serve(bundle or places.default_bundle(), settings))


async def _serve(bundle: Path, settings: ServiceConfig) -> None:
    with needs_extra("service"):
        from tagging.service.server import serving

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(bundle, settings) as running:
        tell(f"serving bundle {running.bundle_version} on port {running.port}")
        await stop.wait()
        tell("draining")
