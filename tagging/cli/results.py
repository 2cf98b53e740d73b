"""`videotag results`"""

import asyncio
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from tagging.cli import options
from tagging.cli.console import Format, needs_extra, print_json, print_table, progress

app = typer.Typer(help="What a service answered.", no_args_is_help=True)

_AGE = re.compile(r"([0-9]{1,5})([hd])")


@app.callback()
def results() -> None:
    """What a service answered."""


def moment(text: str, now: datetime | None = None) -> datetime:
    """90d and 12h are that long ago; else a date, of which no zone is stated in UTC. BadParameter for the future."""
    now = now or datetime.now(UTC)
    if (age := _AGE.fullmatch(text)) is not None:
        return now - timedelta(**{{"h": "hours", "d": "days"}[age[2]]: int(age[1])})
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither an age as 90d or 12h nor a date as 2026-01-31") from None
    stated = stated if stated.tzinfo is not None else stated.replace(tzinfo=UTC)
    if stated > now:
        raise typer.BadParameter(f"{text} is yet to come")
    return stated


@app.command("prune")
def prune_command(
    before: Annotated[
        str, typer.Option("--before", metavar="AGE|DATE", help="Older ones go: 90d, 12h, or 2026-01-31 (UTC).")
    ],
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The service's TOML file, which names its database.")
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """Remove old stored answers, while services run; a video that comes again is tagged again.

    Feedback, tag edits and labelled videos stay, and so do the answers of videos on which there is feedback. A file of
    SQLite keeps its size: what is free in it is used again.

    [bold]Examples[/bold]

    videotag results prune --before 90d --config service.toml
    """
    since = moment(before)
    with needs_extra("service"):
        from tagging.service.admin.prune_answers import prune_results
    from tagging.service.config import read_service_config

    report = asyncio.run(prune_results(read_service_config(config).database, since, progress()))
    if output is Format.json:
        print_json(asdict(report))
    else:
        print_table([asdict(report)])
