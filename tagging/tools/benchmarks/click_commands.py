"""Benchmark commands of click prediction."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options as cli_options
from tagging.cli.console import needs_extra, print_table, progress
from tagging.recommendation.split import HeldOut
from tagging.tools import options
from tagging.tools.benchmarks.scorer import SEED

app = typer.Typer()

CLICK_SYSTEMS = ("LR", "FM", "DeepFM", "AutoInt", "DCN", "MHSA + AC")

FieldNames = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="NAME", help="A column, known before the impression; may be repeated."),
]
HeldOutImpressions = Annotated[
    HeldOut, typer.Option("--hold-out", help="Measure the last impressions, or of them those of new videos.")
]


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
    hold_out: HeldOutImpressions = "last",
    seed: options.Seeds = None,
    config: options.ConfigFiles = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the click model with LR, FM, DeepFM, AutoInt and DCN, with and without tags and topics."""
    from tagging.config.clicks import ClicksConfig
    from tagging.config.overrides import overridden
    from tagging.recommendation.clicks.table import read_impressions

    with needs_extra("benchmarks"):
        from tagging.tools.benchmarks.clicks import clicks_benchmark, conditions_of

    fields, tags, topics = (names or [] for names in (field, tag_field, topic_field))
    _require_fields([*fields, *tags, *topics])
    table = read_impressions(impressions, [*fields, *tags, *topics])
    conditions = conditions_of(fields, tags, topics)
    settings = overridden(ClicksConfig(), config or [])
    chosen = system or CLICK_SYSTEMS
    tables = clicks_benchmark(
        table, conditions, chosen, hold_out, cli_options.distinct_seeds(seed), settings, progress()
    )
    options.print_tables(tables, form)


@app.command("click-ablation")
def click_ablation_command(
    impressions: Annotated[Path, typer.Argument(metavar="TABLE", help="With user_id, video_id, clicked and time.")],
    field: FieldNames = None,
    hold_out: HeldOutImpressions = "last",
    seed: options.Seeds = None,
    config: options.ConfigFiles = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the click model with itself without each part, and with more layers."""
    from tagging.config.clicks import ClicksConfig
    from tagging.config.overrides import overridden
    from tagging.recommendation.clicks.table import read_impressions
    from tagging.tools.benchmarks.click_ablation import ablation_benchmark

    fields = field or []
    _require_fields(fields)
    table = read_impressions(impressions, fields)
    settings = overridden(ClicksConfig(), config or [])
    seeds = cli_options.distinct_seeds(seed)
    options.print_tables(ablation_benchmark(table, fields, hold_out, seeds, settings, progress()), form)


@app.command("click-fusion")
def click_fusion_command(
    manifest: cli_options.Manifests,
    interactions: options.Interactions,
    hold_out: HeldOutImpressions = "last",
    seed: options.Seeds = None,
    bundle: cli_options.Bundle = None,
    config: options.ConfigFiles = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare user-guided fusion of modalities in the click model with fusion by attention and by concatenation."""
    from tagging.config.clicks import ClicksConfig
    from tagging.config.overrides import overridden
    from tagging.recommendation.tables import Sources
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.click_fusion import fusion_benchmark

    tables = fusion_benchmark(
        Sources(manifest, {}, interactions),
        bundle or paths.default_bundle(),
        hold_out,
        cli_options.distinct_seeds(seed),
        overridden(ClicksConfig(), config or []),
        FeatureStore(features or paths.features()),
        progress(),
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
