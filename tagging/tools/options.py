"""Options that several developer commands share, and the printing of their tables."""

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tagging.cli.console import print_json, print_table
from tagging.tools.benchmarks.markdown import markdown_table


class TableFormat(StrEnum):
    table = "table"
    markdown = "markdown"
    json = "json"


Format = Annotated[TableFormat, typer.Option("--format", help="Output format of the tables.")]
Profile = Annotated[str, typer.Option("--profile", help="Profile to train with.")]
ConfigFiles = Annotated[
    list[Path] | None, typer.Option("--config", metavar="FILE", help="TOML over the profile; may be repeated.")
]
Features = Annotated[Path | None, typer.Option("--features", metavar="DIR", help="The feature store.")]
Interactions = Annotated[Path, typer.Option("--interactions", metavar="FILE", help="As of `videotag recommend`.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random draws.")]
Seeds = Annotated[list[int] | None, typer.Option("--seed", min=0, help="May be repeated (default: 1, 2, 3).")]
Work = Annotated[Path, typer.Option("--work", metavar="DIR", help="Folder for crops and checkpoints; kept.")]


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """Return a parser of an option that takes one of the names."""
    known = tuple(names)

    def parse(value: str) -> str:
        if value not in known:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(known)}")
        return value

    return parse


def choices(names: Iterable[str]) -> str:
    """Return the names as help shows them."""
    return f"[{'|'.join(names)}]"


def print_tables(tables: dict[str, list[dict[str, Any]]], form: TableFormat) -> None:
    """Print titled tables of rows with equal keys."""
    if form == TableFormat.json:
        print_json(tables)
    elif form == TableFormat.markdown:
        sys.stdout.write("\n".join(markdown_table(rows, title) for title, rows in tables.items()))
    else:
        for title, rows in tables.items():
            print_table(rows, title)
