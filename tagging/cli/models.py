"""The `videotag models` commands: weights of the encoders."""

import typer

from tagging.cli import options
from tagging.cli.console import print_lines
from tagging.config.profiles import load_config

app = typer.Typer(help="Weights of the encoders.", no_args_is_help=True)


@app.callback()
def models() -> None:
    """Weights of the encoders."""


@app.command("fetch")
def fetch_command(profile: options.Profile = "production", config: options.ConfigFiles = None) -> None:
    """Download the weights that a profile names; nothing is downloaded while tagging or serving.

    [bold]Examples[/bold]

    videotag models fetch

    videotag models fetch --config my-encoders.toml
    """
    from tagging.features.fetch_weights import fetch

    settings = load_config(profile, *(config or []))
    ranker = settings.rank.ranker
    fetch(settings.encoders, None if ranker is None else ranker.bert, lambda line: print_lines([line]))
