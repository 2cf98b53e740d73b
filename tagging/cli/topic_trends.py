"""The `videotag topics trends` command: topics that rise, fall, were born and ended."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagging.cli import options
from tagging.cli.console import Format, needs_extra, now, print_json, print_lines, print_table
from tagging.files.atomic import atomic_text_file, require_file

if TYPE_CHECKING:
    from tagging.topics.model import Topic
    from tagging.topics.trend_report import Activity, TopicChange, TrendReport
    from tagging.topics.trends import Trend

Previous = Annotated[
    Path | None,
    typer.Option("--previous", metavar="DIR", help="The model that was its --previous, to compare their pools."),
]
Days = Annotated[
    float | None,
    typer.Option(
        "--days",
        min=0.01,
        max=3650,
        help="Length of a period of --database; both must lie within the service's remembered_days and kept_days "
        "(default: 7).",
    ),
]


DAYS = 7.0


def command(
    model: Annotated[Path, typer.Argument(metavar="DIR", help="Topic model of `videotag topics fit`.")],
    previous: Previous = None,
    database: options.TopicDatabase = None,
    days: Days = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a map of the topics as one HTML page, too.")
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """List the topics with their changes: which were born or ended with the refit, and which rise or fall.

    A share rises or falls if that is unlikely by chance, over all topics. Without a database, the videos that the pool
    has gained are compared with those that it had before.

    [bold]Examples[/bold]

    videotag topics trends topics/tuesday --previous topics/monday

    videotag topics trends topics/tuesday --database sqlite:////var/lib/videotag/topics.db --days 7 --format json

    videotag topics trends topics/tuesday --previous topics/monday --html topics.html
    """
    from tagging.topics.trend_report import report_trends

    if days is not None and database is None:
        raise typer.BadParameter("only with --database, whose activity it divides", param_hint="--days")
    if html is not None:
        require_file(html)
    report = report_trends(model, previous, _activity(database, days or DAYS))
    if html is not None:
        _write_map(html, report, model)
    if output is Format.json:
        print_json(_as_json(report))
        return
    print_lines([f"note: {note}" for note in report.notes])
    ordered = sorted(report.changes, key=_order)
    print_table([_row(change) for change in ordered], f"Topics of {report.version}")
    if report.ended:
        print_table([_named(topic) for topic in report.ended], f"Ended since {report.previous}")


def _write_map(path: Path, report: "TrendReport", model: Path) -> None:
    """Write a map of the topics of a model, completely or not at all."""
    from tagging.topics.files import read_centres, read_topics
    from tagging.topics.page.html import html_map

    _, groups = read_topics(model)
    page = html_map(report, groups, read_centres(model))
    with atomic_text_file(path) as file:
        file.write(page)


def _activity(database: str | None, days: float) -> "Activity | None":
    """Return the activity in a database; None without one."""
    if database is None:
        return None
    import asyncio

    with needs_extra("service"):
        from tagging.topics.queues.activity import read_activity
    from tagging.store.database.config import DatabaseConfig

    return asyncio.run(read_activity(options.database_at(database, DatabaseConfig()), now(), days))


def _order(change: "TopicChange") -> tuple[object, ...]:
    """Return the key of the order: topics that change, the most certain first, then the others, the largest first."""
    found = [trend for trend in (change.uploads, change.clicks) if trend is not None and trend.direction != "steady"]
    return min((trend.q for trend in found), default=1.0), -change.topic.videos, change.topic.id


def _row(change: "TopicChange") -> dict[str, Any]:
    return {
        "id": change.topic.id,
        "name": change.topic.name,
        "videos": change.topic.videos,
        "fate": change.fate or "",
        "drift": change.drift,
        "uploads": _shown(change.uploads),
        "clicks": _shown(change.clicks),
    }


def _shown(trend: "Trend | None") -> str:
    if trend is None:
        return ""
    change = "new" if trend.change is None else f"{trend.change:.2f} times"
    return f"{trend.direction} ({trend.before} → {trend.after}, {change}, q {trend.q:.2g})"


def _named(topic: "Topic") -> dict[str, Any]:
    return {"id": topic.id, "name": topic.name, "videos": topic.videos}


def _as_json(report: "TrendReport") -> dict[str, Any]:
    return {
        "version": report.version,
        "previous": report.previous,
        "notes": list(report.notes),
        "topics": [
            {
                **_named(change.topic),
                "fate": change.fate,
                "drift": change.drift,
                "uploads": None if change.uploads is None else asdict(change.uploads),
                "clicks": None if change.clicks is None else asdict(change.clicks),
            }
            for change in report.changes
        ],
        "ended": [_named(topic) for topic in report.ended],
    }
