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

if TYPE_CHECKING:
    from tagging.features.triton.endpoint import Endpoint, TritonTls
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
    triton_ca: options.TritonCa = None,
    triton_certificate: options.TritonCertificate = None,
    triton_key: options.TritonKey = None,
    output: options.Output = Format.table,
) -> None:
    """Write the networks of a bundle as a model repository of Triton; each is compared with the in-process one.

    A repository may hold several bundles. Networks that they share are written once.

    [bold]Examples[/bold]

    videotag triton export --bundle bundles/news --out models

    videotag triton export --bundle bundles/news --out models --check 127.0.0.1:8001
    """
    from tagging.triton.export import export_bundle

    tls = options.triton_tls(triton_ca, triton_certificate, triton_key)
    endpoint = None if check is None else _endpoint(check, tls, "--check")
    exported = export_bundle(bundle or paths.default_bundle(), out, progress())
    checked = [] if endpoint is None else _check(out, endpoint)
    if output is Format.json:
        print_json({"models": [asdict(model) for model in exported], "checked": [asdict(row) for row in checked]})
        return
    print_table([asdict(model) for model in exported])
    _print_checked(checked)


@app.command("check")
def check_command(
    repository: Annotated[Path, typer.Argument(metavar="REPO", help="Model repository that the server reads.")],
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Its gRPC port, usually 8001.")],
    triton_ca: options.TritonCa = None,
    triton_certificate: options.TritonCertificate = None,
    triton_key: options.TritonKey = None,
    output: options.Output = Format.table,
) -> None:
    """Run every model and version of a repository on the Triton that serves it, and compare with the export.

    Models that the server has not loaded are loaded, if it runs with --model-control-mode=explicit.

    [bold]Examples[/bold]

    videotag triton check models 127.0.0.1:8001

    videotag triton check models triton:8001 --triton-ca ca.pem
    """
    endpoint = _endpoint(address, options.triton_tls(triton_ca, triton_certificate, triton_key), "HOST:PORT")
    checked = _check(repository, endpoint)
    if output is Format.json:
        print_json({"checked": [asdict(row) for row in checked]})
        return
    _print_checked(checked)


@app.command("prune")
def prune_command(
    repository: Annotated[Path, typer.Argument(metavar="REPO", help="Model repository of `videotag triton export`.")],
    keep: Annotated[int, typer.Option("--keep", min=1, metavar="N", help="Number of bundles, those exported last.")],
    output: options.Output = Format.table,
) -> None:
    """Remove old bundles from a model repository, with the versions of models that no other bundle needs.

    A service that still uses a removed bundle fails when Triton is next restarted: switch it first.

    [bold]Examples[/bold]

    videotag triton prune models --keep 2
    """
    from tagging.triton.prune import prune

    rows = [asdict(model) for model in prune(repository, keep)]
    if output is Format.json:
        print_json({"models": rows})
        return
    print_table([{name: _listed(value) for name, value in row.items()} for row in rows])


def _listed(value: object) -> object:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else value


def _check(repository: Path, endpoint: "Endpoint") -> "list[Checked]":
    from tagging.triton.check import check_server

    return check_server(repository, endpoint)


def _print_checked(checked: "Sequence[Checked]") -> None:
    if checked:
        print_table([asdict(row) for row in checked], "on Triton")


def _endpoint(address: str, tls: "TritonTls | None", option: str) -> "Endpoint":
    from tagging.features.triton.endpoint import Endpoint

    try:
        Endpoint.of(f"grpc://{address}")
    except InvalidConfigError as error:
        raise typer.BadParameter(f"{address!r} is not HOST:PORT", param_hint=option) from error
    return Endpoint.of(f"{'grpc' if tls is None else 'grpcs'}://{address}", tls)
