"""The `videotag models` commands: weights of the encoders."""

from dataclasses import asdict

import typer

from tagging.cli import options
from tagging.cli.console import Format, print_json, print_lines, print_table

app = typer.Typer(help="Weights of the encoders.", no_args_is_help=True)


@app.callback()
def models() -> None:
    """Weights of the encoders."""


@app.command("list")
def list_command(
    profile: options.Profile = "offline", config: options.ConfigFiles = None, output: options.Output = Format.table
) -> None:
    """Show what a profile reads, with which weights, and what is missing on this machine.

    [bold]Examples[/bold]

    videotag models list

    videotag models list --profile production --format json
    """
    from tagging.config.profiles import load_config
    from tagging.features.listing import list_models

    rows = [asdict(state) for state in list_models(load_config(profile, *(config or [])).encoders)]
    if output is Format.json:
        print_json(rows)
    else:
        print_table(rows)


@app.command("fetch")
def fetch_command(profile: options.Profile = "production", config: options.ConfigFiles = None) -> None:
    """Download the weights that a profile names; nothing is downloaded while tagging or serving.

    [bold]Examples[/bold]

    videotag models fetch

    videotag models fetch --config my-encoders.toml
    """
    from tagging.config.profiles import load_config
    from tagging.features.fetch_weights import fetch

    settings = load_config(profile, *(config or []))
    ranker = settings.rank.ranker
    fetch(settings.encoders, None if ranker is None else ranker.bert, lambda line: print_lines([line]))
