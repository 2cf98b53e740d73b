"""Commands of `python -m tagging.tools load-test`: the real service under load, under long load, and under attack."""

from pathlib import Path
from typing import Annotated

import typer

from tagging.cli.console import needs_extra, progress
from tagging.tools import options

SEED = 7

app = typer.Typer(help="Start the service and put it under load.", no_args_is_help=True)

Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE")]
Manifest = Annotated[Path, typer.Option("--manifest", metavar="FILE", help="Videos to tag.")]
Videos = Annotated[int, typer.Option("--videos", min=1, metavar="N", help="The first N of them.")]
Clips = Annotated[bool, typer.Option("--clips", help="Tag with their media, not by their texts alone.")]
Database = Annotated[str | None, typer.Option("--database", metavar="URL", help="(default: a temporary SQLite file)")]


@app.command("sweep")
def sweep_command(
    bundle: Bundle,
    manifest: Manifest,
    videos: Videos = 500,
    clips: Clips = False,
    database: Database = None,
    seconds: Annotated[int, typer.Option("--seconds", min=1, metavar="S", help="For each number of callers.")] = 10,
    pairs: Annotated[
        int, typer.Option("--pairs", min=1, metavar="N", help="Pairs of a call and the pipeline alone.")
    ] = 200,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Measure throughput, latency and overhead over the pipeline with a growing number of callers."""
    with needs_extra("service"):
        from tagging.tools.load_test import run

    target = run.LoadTarget(bundle, run.read_test_videos(manifest, videos, with_media=clips), database)
    options.print_tables(run.run_sweep(target, seconds, pairs, progress()), form)


@app.command("mixed")
def mixed_command(
    bundle: Bundle,
    manifest: Manifest,
    titles: Annotated[Path, typer.Option("--titles", metavar="FILE", help="Manifest of the titles.")],
    videos: Videos = 500,
    database: Database = None,
    seconds: Annotated[int, typer.Option("--seconds", min=1, metavar="S", help="For each load.")] = 60,
    title_callers: Annotated[int, typer.Option("--title-callers", min=1, metavar="N")] = 1,
    clip_callers: Annotated[int, typer.Option("--clip-callers", min=1, metavar="N")] = 2,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Measure how long titles take while clips are tagged, too."""
    with needs_extra("service"):
        from tagging.tools.load_test import run

    target = run.LoadTarget(bundle, run.read_test_videos(manifest, videos, with_media=True), database)
    texts = run.read_test_videos(titles, videos, with_media=False)
    callers = run.MixedCallers(title_callers, clip_callers)
    options.print_tables(run.run_mixed(target, texts, callers, seconds), form)


@app.command("soak")
def soak_command(
    bundle: Bundle,
    manifest: Manifest,
    minutes: Annotated[int, typer.Option("--minutes", min=1, metavar="M", help="Minutes of load.")] = 30,
    videos: Videos = 500,
    clips: Clips = False,
    database: Database = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Measure whether the service's memory grows under steady load."""
    with needs_extra("service"):
        from tagging.tools.load_test import run

    target = run.LoadTarget(bundle, run.read_test_videos(manifest, videos, with_media=clips), database)
    options.print_tables(run.run_soak(target, minutes, progress()), form)


@app.command("hostile")
def hostile_command(
    bundle: Bundle,
    manifest: Manifest,
    count: Annotated[int, typer.Option("--count", min=1, metavar="N", help="Number of hostile inputs.")] = 10_000,
    videos: Videos = 500,
    database: Database = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the inputs.")] = SEED,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Send malformed, oversized and forbidden inputs, and check that the service answers each with the right status."""
    with needs_extra("service"):
        from tagging.tools.load_test import run

    chosen = run.read_test_videos(manifest, videos, with_media=True)
    target = run.LoadTarget(bundle, chosen, database)
    options.print_tables(run.run_hostile(target, count, seed, run.read_media(chosen), progress()), form)
