"""Benchmark commands of recommendation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options as cli_options
from tagging.cli.console import needs_extra, print_table, progress
from tagging.tools import options
from tagging.tools.benchmarks.scorer import SEED

app = typer.Typer()

HELD_OUT = ("last", "new")
SEQUENCE_TABLES = ("last", "modes")
DIVISIONS = ("test", "validation")
CLICK_SYSTEMS = ("LR", "FM", "DeepFM", "AutoInt", "DCN", "MHSA + AC")

FieldNames = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="NAME", help="A column, known before the impression; may be repeated."),
]


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


@app.command("two-towers")
def two_towers_command(
    manifest: cli_options.Manifests,
    interactions: Annotated[Path, typer.Option("--interactions", metavar="FILE", help="As of `videotag recommend`.")],
    hold_out: Annotated[
        str, typer.Option("--hold-out", parser=options.one_of(HELD_OUT), metavar=options.choices(HELD_OUT))
    ] = "new",
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
        "last" if hold_out == "last" else "new",
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
    interactions: Annotated[
        Path, typer.Option("--interactions", metavar="FILE", help="Table with user_id and videos.")
    ],
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


@app.command("kuairand")
def kuairand_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="With kuairand_impressions.parquet and its others.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Parquet; replaced if it exists.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the topics.")] = SEED,
) -> None:
    """Convert KuaiRand to one table of impressions with fields of users, videos, histories, tags and topics."""
    from tagging.tools.benchmarks.kuairand import write_kuairand

    counts = write_kuairand(folder, out, seed, progress())
    print_table([{"count": name, "": number} for name, number in counts.items()])


@app.command("clicks")
def clicks_command(
    impressions: Annotated[Path, typer.Argument(metavar="TABLE", help="With user_id, video_id, clicked and time.")],
    field: FieldNames = None,
    tag_field: Annotated[
        list[str] | None, typer.Option("--tag-field", metavar="NAME", help="Left out of the condition without tags.")
    ] = None,
    topic_field: Annotated[
        list[str] | None, typer.Option("--topic-field", metavar="NAME", help="Read by the last condition alone.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            "--system",
            parser=options.one_of(CLICK_SYSTEMS),
            metavar=options.choices(CLICK_SYSTEMS),
            help="May be repeated (default: all).",
        ),
    ] = None,
    hold_out: Annotated[
        str,
        typer.Option(
            "--hold-out",
            parser=options.one_of(HELD_OUT),
            metavar=options.choices(HELD_OUT),
            help="Measure the last impressions, or of them those of new videos.",
        ),
    ] = "last",
    seed: options.Seeds = None,
    config: options.ConfigFiles = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the click model with LR, FM, DeepFM, AutoInt and DCN, with and without tags and topics."""
    from tagging.config.clicks import ClicksConfig
    from tagging.config.overrides import overridden
    from tagging.recommendation.clicks.table import read_impressions
    from tagging.recommendation.split import HeldOut

    with needs_extra("benchmarks"):
        from tagging.tools.benchmarks.clicks import clicks_benchmark, conditions_of

    fields, tags, topics = (names or [] for names in (field, tag_field, topic_field))
    _require_fields([*fields, *tags, *topics])
    table = read_impressions(impressions, [*fields, *tags, *topics])
    conditions = conditions_of(fields, tags, topics)
    settings = overridden(ClicksConfig(), config or [])
    held_out: HeldOut = "last" if hold_out == "last" else "new"
    chosen = system or CLICK_SYSTEMS
    tables = clicks_benchmark(
        table, conditions, chosen, held_out, cli_options.distinct_seeds(seed), settings, progress()
    )
    options.print_tables(tables, form)


@app.command("audio-visual")
def audio_visual_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A composite set.")],
    seed: options.Seeds = None,
    bundle: cli_options.Bundle = None,
    config: options.ConfigFiles = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the features of the audio-visual learner, with and without each loss, with the rows that it reads."""
    from tagging.config.clicks import AudioVisualConfig
    from tagging.config.overrides import overridden
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.audio_visual import audio_visual_benchmark
    from tagging.tools.benchmarks.audio_visual_clips import read_sources
    from tagging.tools.benchmarks.folder import BenchmarkFolder

    settings = overridden(AudioVisualConfig(), config or [])
    store, encoding = FeatureStore(features or paths.features()), bundle or paths.default_bundle()
    training, test = (
        read_sources(BenchmarkFolder(folder), part, encoding, store, progress()) for part in ("train", "test")
    )
    options.print_tables(
        audio_visual_benchmark(training, test, cli_options.distinct_seeds(seed), settings, progress()), form
    )


def _require_fields(names: Sequence[str]) -> None:
    """Raise typer.BadParameter for the label as a field, and for a field that is named twice."""
    from tagging.recommendation.clicks.table import CLICKED

    repeated = [name for name in names if names.count(name) > 1]
    if CLICKED in names:
        raise typer.BadParameter(f"{CLICKED} is what is predicted", param_hint="--field")
    if repeated:
        raise typer.BadParameter(f"{repeated[0]} is named twice", param_hint="--field")
