"""Benchmark commands of recommendation."""

from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options as cli_options
from tagging.cli.console import print_table, progress
from tagging.recommendation.split import HeldOut
from tagging.tools import options

app = typer.Typer()

SEQUENCE_TABLES = ("last", "modes")
DIVISIONS = ("test", "validation")


@app.command("microlens")
def microlens_command(
    sequences: Annotated[Path, typer.Argument(metavar="SEQUENCES", help="Parquet with user_id and videos.")],
    titles: Annotated[Path, typer.Argument(metavar="TITLES", help="Parquet with video_id and title.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Must not exist.")],
) -> None:
    """Convert MicroLens to a manifest of videos and a table of interactions; hashtags become tags."""
    from tagging.tools.benchmarks.microlens import write_microlens

    counts = write_microlens(sequences, titles, out)
    print_table([{"count": name, "": number} for name, number in counts.items()])


@app.command("halves")
def halves_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `microlens` wrote.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Must not exist.")],
) -> None:
    """Divide MicroLens: train.parquet, to train a bundle on, and the other videos with their interactions."""
    from tagging.tools.benchmarks.halves import write_halves

    print_table([{"table": name, "rows": number} for name, number in write_halves(folder, out).items()])


@app.command("two-towers")
def two_towers_command(
    manifest: cli_options.Manifests,
    interactions: options.Interactions,
    hold_out: Annotated[HeldOut, typer.Option("--hold-out", help="The last videos of users, or new videos.")] = "new",
    seed: options.Seeds = None,
    bundle: cli_options.Bundle = None,
    config: options.ConfigFiles = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the fusion of metadata, IDs and numbers of negatives of the two towers."""
    from tagging.config.overrides import overridden
    from tagging.config.recommendation import TwoTowersConfig
    from tagging.recommendation.tables import Sources
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.two_towers import two_towers_benchmark

    tables = two_towers_benchmark(
        Sources(manifest, {}, interactions),
        bundle or paths.default_bundle(),
        hold_out,
        cli_options.distinct_seeds(seed),
        overridden(TwoTowersConfig(), config or []),
        FeatureStore(features or paths.features()),
        progress(),
    )
    options.print_tables(tables, form)


@app.command("uploads")
def uploads_command(
    count: Annotated[
        list[int] | None,
        typer.Option("--count", min=1, metavar="N", help="New uploads; may be repeated (default: 10000 to a million)."),
    ] = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the search of new uploads in `videotag recommend serve` with its user tower."""
    from tagging.tools.benchmarks.uploads import uploads_benchmark

    options.print_tables({"Uploads": uploads_benchmark(count or [10_000, 100_000, 1_000_000], progress())}, form)


@app.command("sequences")
def sequences_command(
    manifest: cli_options.Manifests,
    interactions: options.Interactions,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            parser=options.one_of(SEQUENCE_TABLES),
            metavar=options.choices(SEQUENCE_TABLES),
            help="Last videos, or new users in long and short mode; may be repeated (default: both).",
        ),
    ] = None,
    part: Annotated[
        str,
        typer.Option(
            "--part", parser=options.one_of(DIVISIONS), metavar=options.choices(DIVISIONS), help="Of last videos."
        ),
    ] = "test",
    seed: options.Seeds = None,
    bundle: cli_options.Bundle = None,
    columns: cli_options.Columns = None,
    config: options.ConfigFiles = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the dynamic recurrent model with its objective without each factor, and with four baselines."""
    from tagging.config.overrides import overridden
    from tagging.config.recommendation import RecurrentConfig
    from tagging.manifests.read import parse_columns
    from tagging.recommendation.split import Part
    from tagging.recommendation.tables import Sources
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.sequences import read_catalog, sequences_benchmark

    settings = overridden(RecurrentConfig(), config or [])
    sources = Sources(manifest, parse_columns(columns or []), interactions)
    store = FeatureStore(features or paths.features())
    catalog = read_catalog(sources, bundle or paths.default_bundle(), settings, store, progress())
    chosen = table or list(SEQUENCE_TABLES)
    drawn: Part = "validation" if part == "validation" else "test"
    tables = sequences_benchmark(
        catalog, interactions, chosen, drawn, cli_options.distinct_seeds(seed), settings, progress()
    )
    options.print_tables(tables, form)
