"""The `videotag feedback` commands: feedback of users on the answers of a service."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging.cli import options
from tagging.cli.console import Format, needs_extra, print_json, print_table

app = typer.Typer(help="Feedback of users on the answers of a service.", no_args_is_help=True)


@app.callback()
def feedback() -> None:
    """Feedback of users on the answers of a service."""


@app.command("export")
def export_command(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", help="The manifest to write; must not exist.")],
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The service's TOML file, which names its database.")
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """Write accepted and added tags as a training manifest; rejected tags are in a column of their own.

    [bold]Examples[/bold]

    videotag feedback export --config service.toml --out feedback.jsonl

    videotag train --manifest videos.parquet --manifest feedback.jsonl --out bundles/next
    """
    import asyncio

    with needs_extra("service"):
        from tagging.service.admin.export_feedback import export_feedback
    from tagging.service.config import read_service_config

    report = asyncio.run(export_feedback(read_service_config(config).database, out))
    if output is Format.json:
        print_json(asdict(report))
    else:
        print_table([asdict(report)])


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FEEDBACK.jsonl", help="File of `videotag review`.")],
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The service's TOML file, which names its database.")
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """Store the feedback of a review in a service's database; lines that were stored before are recognised.

    [bold]Examples[/bold]

    videotag feedback import feedback.jsonl --config service.toml
    """
    import asyncio

    with needs_extra("service"):
        from tagging.service.admin.import_feedback import import_feedback
    from tagging.service.config import read_service_config

    report = asyncio.run(import_feedback(read_service_config(config).database, file))
    if output is Format.json:
        print_json(asdict(report))
    else:
        print_table([asdict(report)])
