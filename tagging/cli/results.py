"""The `videotag results` commands: stored answers of a service."""

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from tagging.cli import options
from tagging.cli.console import Format, needs_extra, print_json, print_table, progress

app = typer.Typer(help="Stored answers of a service.", no_args_is_help=True)

_AGE = re.compile(r"([0-9]{1,5})([hd])")


@app.callback()
def results() -> None:
    """Stored answers of a service."""


def moment(text: str, now: datetime | None = None) -> datetime:
    """Return the time of an age (90d, 12h) or of an ISO date, in UTC without a zone.

    Raises BadParameter for the future.
    """
    now = now or datetime.now(UTC)
    if (age := _AGE.fullmatch(text)) is not None:
        return now - timedelta(**{{"h": "hours", "d": "days"}[age[2]]: int(age[1])})
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither an age as 90d or 12h nor a date as 2026-01-31") from None
    stated = stated if stated.tzinfo is not None else stated.replace(tzinfo=UTC)
    if stated > now:
        raise typer.BadParameter(f"{text} is in the future")
    return stated


@app.command("prune")
def prune_command(
    before: Annotated[
        str, typer.Option("--before", metavar="AGE|DATE", help="Remove older answers: 90d, 12h, or 2026-01-31 (UTC).")
    ],
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The service's TOML file, which names its database.")
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """Remove old stored answers; services may run meanwhile. A later request for such a video is tagged again.

    Feedback, tag edits, labelled videos, and the answers of videos with feedback are kept. A SQLite file keeps its size
    and reuses the free space.

    [bold]Examples[/bold]

    videotag results prune --before 90d --config service.toml
    """
    import asyncio

    since = moment(before)
    with needs_extra("service"):
        from tagging.service.admin.prune_answers import prune_results
    from tagging.service.config import read_service_config

    report = asyncio.run(prune_results(read_service_config(config).database, since, progress()))
    if output is Format.json:
        print_json(asdict(report))
    else:
        print_table([asdict(report)])
