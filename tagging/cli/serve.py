"""The `videotag serve` command: the gRPC service."""

import logging
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import needs_extra, print_lines
from tagging.errors import InvalidConfigError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from tagging.service.config import Listen, ObserveConfig

logger = logging.getLogger(__name__)

Running = TypeVar("Running")


def command(
    bundle: options.Bundle = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="ADDRESS", help="HOST:PORT or unix:/PATH (default: 127.0.0.1:50051)."),
    ] = None,
    runtime: options.Runtime = None,
    triton: options.Triton = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="TOML file with the service's settings.")
    ] = None,
) -> None:
    """Serve gRPC calls until SIGINT or SIGTERM; then report NOT_SERVING to health checks and finish running calls.

    [bold]Examples[/bold]

    videotag serve --bundle bundles/news --listen 127.0.0.1:50051

    videotag serve --config service.toml
    """
    from tagging.features.triton.endpoint import Endpoint
    from tagging.service.config import read_service_config

    settings = read_service_config(config)
    if listen is not None:
        settings = settings.model_copy(update={"listen": listening_at(settings.listen, listen)})
    if runtime is not None:
        settings = settings.model_copy(update={"runtime": runtime})
    if triton is not None:
        try:
            Endpoint.of(triton, settings.triton_tls)
        except InvalidConfigError as error:
            raise typer.BadParameter(f"{error.message}: {error.hint}", param_hint="--triton") from error
        settings = settings.model_copy(update={"triton": triton})
    if settings.triton is None and settings.triton_tls is not None:
        raise InvalidConfigError(
            "triton_tls has certificates, but no server is named", "set triton to grpcs://HOST:PORT"
        )
    with needs_extra("service"):
        from tagging.service.server import serving

    serve_and_exit(
        settings.observe,
        lambda tracer: serving(bundle or paths.default_bundle(), settings, tracer),
        lambda running: f"serving bundle {running.bundle_version} on {shown(settings.listen.address, running.port)}",
        settings.drain_s,
    )


def serve_and_exit(
    observe: "ObserveConfig",
    service: "Callable[[Tracer], AbstractAsyncContextManager[Running]]",
    line: Callable[[Running], str],
    drain_s: float,
) -> None:
    """Serve until a signal, with logs and traces, then end the process. Returns only by an error.

    line: what is printed once the service serves
    """
    import asyncio

    with needs_extra("service"):
        from tagging.service.observe.logs import json_logs
        from tagging.service.observe.traces import tracing
        from tagging.service.shutdown import end_process

    with json_logs(observe.logs, sys.stderr), ExitStack() as traces:
        tracer = traces.enter_context(tracing(observe.traces))

        def end() -> None:
            traces.close()
            end_process()

        asyncio.run(serve_until_signal(service(tracer), line, drain_s, end))


def listening_at(config: "Listen", address: str) -> "Listen":
    """Return the configuration with the address of --listen. Raises typer.BadParameter for an invalid one."""
    from tagging.service.config import with_address

    try:
        return with_address(config, address)
    except InvalidConfigError as error:
        raise typer.BadParameter(f"{error.message}: {error.hint}", param_hint="--listen") from error


async def serve_until_signal(
    service: AbstractAsyncContextManager[Running],
    line: Callable[[Running], str],
    drain_s: float,
    end: Callable[[], None],
) -> None:
    """Print a line about a service once it serves, and serve until a signal; then close it and end the process.

    A signal during the start cancels it. The process ends within `drain_s` and CLOSE_S of the signal, whatever still
    runs in its threads, such as the load of a bundle.
    end: ends the process; called in a thread, while the server refuses calls
    """
    import asyncio
    import os

    from tagging.concurrency import started_threads
    from tagging.service.shutdown import CLOSE_S, ProcessEnds, end_process_within

    # As many as asyncio would start one by one.
    asyncio.get_running_loop().set_default_executor(started_threads(min(32, (os.cpu_count() or 1) + 4), "asyncio"))
    stop, starting, ending = asyncio.Event(), asyncio.current_task(), ProcessEnds()

    def request_stop() -> None:
        if stop.is_set():
            return
        stop.set()
        if starting is not None:
            starting.cancel()
        end_process_within(drain_s + CLOSE_S)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, request_stop)
    try:
        async with service as running:
            starting = None
            print_lines([line(running)])
            await stop.wait()
            raise ending
    except ProcessEnds:
        pass
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        logger.info("stopped during the start")
    await asyncio.to_thread(end)


def shown(address: str, port: int) -> str:
    """Return how a message names the address of a service that listens on a port."""
    from tagging.service.config import SOCKET

    return address if address.startswith(SOCKET) else f"port {port}"
