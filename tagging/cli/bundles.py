"""The `videotag bundles` commands: data that bundles keep outside their folders."""

from pathlib import Path
from typing import Annotated

import typer

from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table

app = typer.Typer(help="Data that bundles keep outside their folders.", no_args_is_help=True)


@app.callback()
def bundles() -> None:
    """Data that bundles keep outside their folders."""


@app.command("drop-collections")
def drop_collections_command(
    uri: Annotated[str, typer.Option("--uri", metavar="URI", help="Milvus, as in recall.index.uri.")],
    keep: Annotated[
        list[Path], typer.Option("--keep", metavar="BUNDLE", help="Bundle whose collections to keep; may be repeated.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove the collections; the default is to list them only.")
    ] = False,
    output: options.Output = Format.table,
) -> None:
    """List, or remove, the Milvus collections that no kept bundle uses.

    Name every bundle that is still in use with --keep: the collections of all others are removed with their rows, and
    these bundles can no longer be loaded. Collections that videotag did not create are not touched.

    [bold]Examples[/bold]

    videotag bundles drop-collections --uri http://milvus:19530 --keep bundles/first --keep bundles/second

    videotag bundles drop-collections --uri http://milvus:19530 --keep bundles/second --yes
    """
    from tagging.maintenance.milvus_collections import drop_unused_collections

    names = drop_unused_collections(uri, keep, dry_run=not yes)
    if output is Format.json:
        print_json({"uri": uri, "collections": names, "removed": yes})
        return
    print_table([{"collection": name} for name in names], "removed" if yes else "unused")
    if not yes and names:
        print_lines(["run it again with --yes to remove them"])
