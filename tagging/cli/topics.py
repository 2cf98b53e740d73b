"""The `videotag topics` commands: fit topics to a pool of videos, assign new videos to them, and show them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagging import paths
from tagging.cli import options, serve_topics, topic_trends
from tagging.cli.console import Format, needs_extra, now, print_json, print_lines, print_table, progress
from tagging.cli.tag import video_reference
from tagging.errors import InvalidManifestError, UnknownIdError

if TYPE_CHECKING:
    from tagging.topics.assign_videos import VideoTopics
    from tagging.topics.model import Topic
    from tagging.types import LabelledVideo

app = typer.Typer(help="Topics: what a pool of videos is about.", no_args_is_help=True)

SHOWN = 20  # drifting topics
MOST_SHOWN = 60  # characters of a title in a table


app.command("trends")(topic_trends.command)
app.command("serve")(serve_topics.command)


@app.callback()
def topics() -> None:
    """Topics: what a pool of videos is about."""


@app.command("fit")
def fit_command(
    manifest: options.Manifests,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The topic model to write; must not exist.")],
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="DIR", help="Bundle whose encoders read the videos (default: the starter bundle)."
        ),
    ] = None,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", metavar="DIR", help="Earlier topic model, whose topics keep their ids."),
    ] = None,
    predicted: Annotated[
        list[Path] | None,
        typer.Option(
            "--predicted",
            metavar="PATH",
            help="Tags that `videotag batch` wrote, for the videos that have none; may be repeated.",
        ),
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", metavar="FILE", help="TOML file of tagging/config/topics.py; may be repeated."),
    ] = None,
    columns: options.Columns = None,
    features: options.Features = None,
    output: options.Output = Format.table,
) -> None:
    """Fit topics to the videos of manifests, by their content, tags and categories.

    A column `category`, and `subcategory` where there is one, sharpen the topics; `language` is counted.

    [bold]Examples[/bold]

    videotag topics fit --manifest videos.parquet --map category=category_name --out topics/monday

    videotag topics fit --manifest videos.parquet --previous topics/monday --out topics/tuesday

    videotag batch videos.parquet --out tags

    videotag topics fit --manifest videos.parquet --predicted tags/tagged --out topics/monday
    """
    from tagging.config.topics import load_topics_config
    from tagging.manifests.read import parse_columns
    from tagging.store.features import FeatureStore
    from tagging.topics.fit import fit_topics

    report = fit_topics(
        manifest,
        parse_columns(columns or []),
        bundle or paths.default_bundle(),
        out,
        load_topics_config(*(config or [])),
        FeatureStore(features or paths.features()),
        progress(),
        created=now(),
        previous=previous,
        predicted=predicted or [],
    )
    if output is Format.json:
        print_json(asdict(report))
        return
    print_table([{"topics": report.topics, "version": report.version}])
    print_table([{"count": name, "": n} for name, n in report.counts.items()])
    if previous is not None:
        print_lines([f"continued {len(report.drift)}, born {len(report.born)}, died {len(report.died)}"])
        drifting = sorted(report.drift.items(), key=lambda item: -item[1])[:SHOWN]
        print_table([{"topic": topic, "drift": drift} for topic, drift in drifting], "The most changed")
    print_table([{"stage": name, "seconds": s} for name, s in report.seconds.items()])


@app.command("assign")
def assign_command(
    model: Annotated[Path, typer.Option("--topics", metavar="DIR", help="Topic model of `videotag topics fit`.")],
    manifest: Annotated[
        Path | None, typer.Argument(metavar="[MANIFEST]", help="Table of videos; omit it for a --title.")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="The title of a single video.")] = "",
    description: Annotated[str, typer.Option("--description", help="The description of a single video.")] = "",
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            metavar="DIR",
            help="Bundle that tags the videos without tags (default: they count as untagged).",
        ),
    ] = None,
    columns: options.Columns = None,
    features: options.Features = None,
    database: options.TopicDatabase = None,
    output: options.Output = Format.table,
) -> None:
    """Print the topics of videos; a video may have none. With a database, the videos enter the queues of a service.

    [bold]Examples[/bold]

    videotag topics assign today.jsonl --topics topics/monday --format json

    videotag topics assign --title "How to tune a guitar" --topics topics/monday

    videotag topics assign today.jsonl --topics topics/monday --database sqlite:////var/lib/videotag/topics.db
    """
    from tagging.store.features import FeatureStore
    from tagging.topics.assign_videos import assign_topics

    if database is not None and manifest is None:
        raise typer.BadParameter("only the videos of a manifest have ids to enter queues by", param_hint="--database")
    videos = _videos(manifest, title, description, columns or [])
    if database is not None:
        _require_tables(database)
    store = FeatureStore(features or paths.features())
    found = assign_topics(model, videos, store, progress(), bundle=bundle)
    if database is not None:
        _enter(database, found)
    if output is Format.json:
        print_json([_video_json(video) for video in found])
        return
    print_table([row for video in found for row in _video_rows(video)])


@app.command("show")
def show_command(
    model: Annotated[Path, typer.Argument(metavar="DIR", help="Topic model of `videotag topics fit`.")],
    topic: Annotated[int | None, typer.Argument(metavar="[ID]", help="One topic, with its examples.")] = None,
    output: options.Output = Format.table,
) -> None:
    """List the topics of a model, the largest first, or show one.

    [bold]Examples[/bold]

    videotag topics show topics/monday

    videotag topics show topics/monday 17 --format json
    """
    from tagging.topics.files import read_topics
    from tagging.topics.manifest import TOPIC_MODEL

    manifest = TOPIC_MODEL.read(model)
    every, groups = read_topics(model)
    ordered = sorted(every, key=lambda found: (-found.videos, found.id))
    if topic is not None:
        ordered = [found for found in every if found.id == topic]
        if not ordered:
            reason = ": it died in this fit" if topic in manifest.lineage.died else ""
            raise UnknownIdError(f"{model} has no topic {topic}{reason}", f"list them: videotag topics show {model}")
    if output is Format.json:
        shown = [{**asdict(found), "group": groups[found.group].name} for found in ordered]
        print_json({"version": manifest.version, "topics": shown})
        return
    print_table([_topic_row(found, groups[found.group].name) for found in ordered])
    if topic is not None:
        print_table([asdict(example) for example in ordered[0].examples], "Examples")


def _require_tables(database: str) -> None:
    """Raise DatabaseMismatchError for a database that videos cannot enter, before any work."""
    import asyncio

    with needs_extra("service"):
        from tagging.topics.queues.enter import require_tables
    from tagging.store.database.config import DatabaseConfig

    asyncio.run(require_tables(options.database_at(database, DatabaseConfig())))


def _enter(database: str, videos: "Sequence[VideoTopics]") -> None:
    """Put videos into the queues of a database."""
    import asyncio

    with needs_extra("service"):
        from tagging.topics.queues.enter import enter_videos
    from tagging.store.database.config import DatabaseConfig
    from tagging.store.topic_video import AssignedVideo

    assigned = [
        AssignedVideo(video.video_id, tuple((topic.id, similarity) for topic, similarity in video.topics))
        for video in videos
    ]
    asyncio.run(enter_videos(options.database_at(database, DatabaseConfig()), assigned, now()))


def _videos(manifest: Path | None, title: str, description: str, columns: Sequence[str]) -> "list[LabelledVideo]":
    from tagging.manifests.read import parse_columns, read_labelled
    from tagging.types import LabelledVideo

    if manifest is not None and (title or description):
        raise typer.BadParameter("give a manifest or a title, not both", param_hint="MANIFEST")
    if manifest is None:
        if columns:
            raise typer.BadParameter("only the columns of a manifest have names", param_hint="--map")
        return [LabelledVideo(video_reference(None, title, description), ())]
    videos = list(read_labelled([manifest], parse_columns(columns)))
    if not videos:
        raise InvalidManifestError(f"{manifest} has no rows", "give a table of videos")
    return videos


def _video_json(video: "VideoTopics") -> dict[str, Any]:
    topics = [{"id": topic.id, "name": topic.name, "similarity": round(value, 4)} for topic, value in video.topics]
    return {"video_id": video.video_id, "title": video.title, "topics": topics, "used": list(video.used)}


def _video_rows(video: "VideoTopics") -> list[dict[str, Any]]:
    """Return a row for each topic of a video; a single one with empty cells if it has none."""
    start = {"video": video.video_id, "used": " and ".join(video.used) or "nothing"}
    if not video.topics:
        return [{**start, "topic": None, "name": "", "similarity": None}]
    return [{**start, "topic": topic.id, "name": topic.name, "similarity": value} for topic, value in video.topics]


def _topic_row(topic: "Topic", group: str) -> dict[str, Any]:
    languages = " ".join(f"{name} {share:.0%}" for name, share in list(topic.languages.items())[:3])
    example = (topic.examples[0].title or topic.examples[0].video_id) if topic.examples else ""
    return {
        "id": topic.id,
        "name": topic.name,
        "videos": topic.videos,
        "group": group,
        "languages": languages,
        "example": example if len(example) <= MOST_SHOWN else f"{example[: MOST_SHOWN - 1]}…",
    }
