"""The `videotag service` commands: client tokens and the database schema of the service."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging.cli import options
from tagging.cli.console import Format, needs_extra, print_json, print_lines, print_table

if TYPE_CHECKING:
    from tagging.store.database.config import DatabaseConfig

app = typer.Typer(help="Administration of the service.", no_args_is_help=True)

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The service's TOML file, which names its database.")
]
Database = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="Database to change, instead of the one in --config.")
]


@app.callback()
def service() -> None:
    """Administration of the service."""


@app.command("token")
def token_command(output: options.Output = Format.table) -> None:
    """Create a client token and the hash of it that a clients file lists.

    The token is shown once and stored nowhere: give it to the client, and its hash to `tokens_sha256`.

    [bold]Examples[/bold]

    videotag service token

    videotag service token --format json
    """
    from tagging.service.clients.tokens import new_token

    token, digest = new_token()
    if output is Format.json:
        print_json({"token": token, "sha256": digest})
    else:
        print_table([{"": "token", "value": token}, {"": "sha256", "value": digest}])


@app.command("migrate")
def migrate_command(config: Config = None, database: Database = None) -> None:
    """Create the tables of the service's database, or upgrade them to this version.

    Run it before a new version of the service starts. Several processes may run it at once.

    [bold]Examples[/bold]

    videotag service migrate --config service.toml

    videotag service migrate --database postgresql://videotag@db/videotag
    """
    import asyncio

    with needs_extra("service"):
        from tagging.store.database.migrate import migrate

    asyncio.run(migrate(_database(config, database)))
    print_lines(["the database is at the revision of this version"])


@app.command("revert")
def revert_command(
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="Older revision, such as 0001; base: no tables.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Confirm that data that the older tables cannot hold is lost.")
    ] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Downgrade the tables to an older revision, before an older version of the service starts.

    Data that the older tables cannot hold is lost, so back up first. Stop every service that uses the database.

    [bold]Examples[/bold]

    videotag service revert 0001 --yes --config service.toml
    """
    import asyncio

    with needs_extra("service"):
        from tagging.store.database.migrate import revert

    if not yes:
        raise typer.BadParameter("data that the older tables cannot hold is lost; confirm with --yes")
    asyncio.run(revert(_database(config, database), revision))
    print_lines([f"the database is at revision {revision}"])


def _database(config: Path | None, url: str | None) -> "DatabaseConfig":
    from tagging.service.config import read_service_config

    stated = read_service_config(config).database
    return stated if url is None else options.database_at(url, stated)
