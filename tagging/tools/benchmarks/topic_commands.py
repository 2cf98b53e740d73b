"""Benchmark commands of topics."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging import paths
from tagging.cli import options as cli_options
from tagging.cli.console import progress
from tagging.tools import options
from tagging.tools.benchmarks.topic_tables import CATEGORISED

if TYPE_CHECKING:
    from tagging.topics.pool import Pool

app = typer.Typer()


@app.command("topics")
def topics_command(
    kind: Annotated[str, typer.Argument(parser=options.one_of(CATEGORISED), metavar=options.choices(CATEGORISED))],
    table: Annotated[Path, typer.Argument(metavar="PARQUET")],
    seed: options.Seeds = None,
    videos: Annotated[
        int | None, typer.Option("--videos", min=100, metavar="N", help="Draw N videos (default: all).")
    ] = None,
    config: options.ConfigFiles = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the representation of topics with text, tags and two topic models by the categories of new videos."""
    from tagging.config.topics import load_topics_config
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.topic_tables import read_categorised_table
    from tagging.tools.benchmarks.topics import topics_benchmark

    data = read_categorised_table(kind, table)
    store = FeatureStore(features or paths.features())
    tables = topics_benchmark(
        data, cli_options.distinct_seeds(seed), videos, load_topics_config(*(config or [])), store, progress()
    )
    options.print_tables(tables, form)


@app.command("topic-sheet")
def topic_sheet_command(
    model: Annotated[Path, typer.Argument(metavar="DIR", help="Topic model of `videotag topics fit`.")],
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="The manifest that it was fitted on.")],
    topics: Annotated[int, typer.Option("--topics", min=1, metavar="N", help="Topics to draw.")] = 50,
    videos: Annotated[int, typer.Option("--videos", min=1, metavar="N", help="Videos to draw of each.")] = 8,
    columns: cli_options.Columns = None,
    seed: options.Seed = 1,
    form: options.Format = options.TableFormat.markdown,
) -> None:
    """Draw topics and some of their videos, to judge by reading which videos belong to their topics."""
    from dataclasses import asdict

    import numpy as np

    from tagging.manifests.read import parse_columns, read_labelled
    from tagging.tools.benchmarks.topic_sheet import draw_sheet
    from tagging.topics.files import read_topics, read_videos
    from tagging.topics.manifest import TOPIC_MODEL

    TOPIC_MODEL.read(model)
    titled = {video.video.video_id: video for video in read_labelled([manifest], parse_columns(columns or []))}
    found, _ = read_topics(model)
    rows = draw_sheet(found, list(read_videos(model)), titled, topics, videos, np.random.default_rng(seed))
    options.print_tables({f"{topics} topics of {len(found)}": [asdict(row) for row in rows]}, form)


@app.command("topics-watched")
def topics_watched_command(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST")],
    interactions: options.Interactions,
    seed: options.Seeds = None,
    bundle: cli_options.Bundle = None,
    config: options.ConfigFiles = None,
    columns: cli_options.Columns = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare topics by all tags, and by those that say something, with what users watch next."""
    from tagging.config.topics import load_topics_config
    from tagging.recommendation.interactions import read_interactions
    from tagging.tools.benchmarks.topics_watched import Watched, watched_benchmark

    pool = _pool(manifest, columns, bundle, features)
    histories = read_interactions(interactions, [video.video.video_id for video in pool.videos]).videos
    settings = load_topics_config(*(config or []))
    tables = watched_benchmark(pool, Watched.of(histories), cli_options.distinct_seeds(seed), settings, progress())
    options.print_tables(tables, form)


@app.command("topics-scale")
def topics_scale_command(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST")],
    grow_to: Annotated[
        int | None, typer.Option("--grow-to", min=1, metavar="N", help="Videos (default: those of the manifest).")
    ] = None,
    bundle: cli_options.Bundle = None,
    config: options.ConfigFiles = None,
    columns: cli_options.Columns = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Measure the processor time and the memory of learning topics, of a pool as it is or grown to more videos."""
    import numpy as np

    from tagging.config.topics import load_topics_config
    from tagging.tools.benchmarks.topics_scale import grown_pool, topics_scale

    pool = _pool(manifest, columns, bundle, features)
    settings = load_topics_config(*(config or []))
    if grow_to is not None:
        pool = grown_pool(pool, grow_to, np.random.default_rng(settings.seed))
    options.print_tables(topics_scale(pool, settings, progress()), form)


@app.command("queues")
def queues_command(
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="An empty database (default: a temporary file).")
    ] = None,
    videos: Annotated[int, typer.Option("--videos", min=20, metavar="N", help="Videos of a queue, on average.")] = 2000,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Of each call.")] = 9,
    seed: options.Seed = 7,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Measure candidates, a page and a report of the topic service against whole queues that are ordered in Python."""
    from tempfile import TemporaryDirectory

    from tagging.store.database.config import DatabaseConfig
    from tagging.tools.benchmarks.queues import measure_queues

    with TemporaryDirectory() as folder:
        config = DatabaseConfig.model_validate({"url": database or f"sqlite:///{folder}/queues.db"})
        rows = measure_queues(config, videos, repeats, seed, lambda _: None)
    options.print_tables({f"queues of {videos:,} videos": rows}, form)


def _pool(manifest: Path, columns: list[str] | None, bundle: Path | None, features: Path | None) -> "Pool":
    """Return the videos of a manifest with their embeddings."""
    from tagging.manifests.read import parse_columns, read_categorised
    from tagging.pipeline.feature_reader import FeatureReader
    from tagging.store.features import FeatureStore
    from tagging.topics.pool import Pool

    videos = list(read_categorised([manifest], parse_columns(columns or [])))
    refs = [video.video for video in videos]
    reader = FeatureReader.of_bundle(bundle or paths.default_bundle(), refs)
    return Pool(videos, reader.read(refs, FeatureStore(features or paths.features()), progress()))
