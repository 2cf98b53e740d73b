"""The `videotag triton` commands: the networks of bundles on a Triton Inference Server."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_table, progress
from tagging.errors import InvalidConfigError
from tagging.features.triton.client import address_of

if TYPE_CHECKING:
    from tagging.triton.check import Checked

app = typer.Typer(help="The networks of bundles on a Triton Inference Server.", no_args_is_help=True)


@app.callback()
def triton() -> None:
    """The networks of bundles on a Triton Inference Server."""


@app.command("export")
def export_command(
    out: Annotated[Path, typer.Option("--out", metavar="REPO", help="Model repository, new or of earlier exports.")],
    bundle: options.Bundle = None,
    check: Annotated[
        str | None,
        typer.Option("--check", metavar="HOST:PORT", help="Then check the Triton that serves REPO, by its gRPC port."),
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """Write the networks of a bundle as a model repository of Triton; each is compared with the in-process one.

    A repository may hold several bundles. Networks that they share are written once.

    [bold]Examples[/bold]

    videotag triton export --bundle bundles/news --out models

    videotag triton export --bundle bundles/news --out models --check 127.0.0.1:8001
    """
    from tagging.triton.export import export_bundle

    if check is not None:
        _require_address(check, "--check")
    exported = export_bundle(bundle or paths.default_bundle(), out, progress())
    checked = [] if check is None else _check(out, check)
    if output is Format.json:
        print_json({"models": [asdict(model) for model in exported], "checked": [asdict(row) for row in checked]})
        return
    print_table([asdict(model) for model in exported])
    _print_checked(checked)


@app.command("check")
def check_command(
    repository: Annotated[Path, typer.Argument(metavar="REPO", help="Model repository that the server reads.")],
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Its gRPC port, usually 8001.")],
    output: options.Output = Format.table,
) -> None:
    """Run every model and version of a repository on the Triton that serves it, and compare with the export.

    Models that the server has not loaded are loaded, if it runs with --model-control-mode=explicit.

    [bold]Examples[/bold]

    videotag triton check models 127.0.0.1:8001
    """
    _require_address(address, "HOST:PORT")
    checked = _check(repository, address)
    if output is Format.json:
        print_json({"checked": [asdict(row) for row in checked]})
        return
    _print_checked(checked)


def _check(repository: Path, address: str) -> "list[Checked]":
    from tagging.triton.check import check_server

    return check_server(repository, address)


def _print_checked(checked: "Sequence[Checked]") -> None:
    if checked:
        print_table([asdict(row) for row in checked], "on Triton")


def _require_address(address: str, option: str) -> None:
    try:
        address_of(f"grpc://{address}")
    except InvalidConfigError as error:
        raise typer.BadParameter(f"{address!r} is not HOST:PORT", param_hint=option) from error
