"""Processor time of topic queues: candidates and a page of a queue against whole queues that are ordered in Python.

Topics have the same number of videos, each video four topics; a few events per video order them. The time is that of
this process: the work of a PostgreSQL server is not in it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from tagging.bench.figure import Row
from tagging.bench.timing import in_turn, median_cpu_s, ratios
from tagging.config.topic_queues import QueuesConfig
from tagging.errors import OutputExistsError
from tagging.progress import Advance
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.engagements import EngagementEvent, Engagements, EventKind
from tagging.store.database.migrate import migrate
from tagging.store.database.schema import engagement_events, topic_videos, video_engagement
from tagging.store.database.topic_queues import TopicQueues
from tagging.store.database.topic_videos import TopicVideos
from tagging.store.engagement import Engagement
from tagging.store.topic_video import AssignedVideo
from tagging.topics.model import Topic
from tagging.topics.service.calls import TopicCalls

TOPICS, TOPICS_A_VIDEO = 20, 4
CONFIG = QueuesConfig(least_exposures=2)
CLICKS = 50
NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPORT = 1000  # events


@dataclass(frozen=True, slots=True)
class FilledQueues:
    """A database with queues, and the calls that read it."""

    database: Database
    calls: TopicCalls
    video_ids: list[str]


def measure_queues(config: DatabaseConfig, videos: int, repeats: int, seed: int, advance: Advance) -> list[Row]:
    """Return a row for each call; videos: the mean of a queue.

    config: of a database without videos and events of topics
    Raises OutputExistsError for another one, whose records would mix with those of the benchmark.
    """
    with asyncio.Runner() as runner:
        filled = runner.run(_fill(config, videos, np.random.default_rng(seed)))
        generator = np.random.default_rng(seed + 1)
        clicked = [generator.choice(filled.video_ids, CLICKS, replace=False).tolist() for _ in range(repeats)]
        reports = [_report(repeat, generator.choice(filled.video_ids, REPORT).tolist()) for repeat in range(repeats)]
        engagements = Engagements(filled.database, CONFIG.half_life_s)
        calls: dict[str, Callable[[int], Coroutine[Any, Any, object]]] = {
            f"{CONFIG.preferred_topics} whole queues": lambda _: _whole_queues(filled.database),
            "candidates": lambda repeat: filled.calls.candidates_of_clicks(clicked[repeat], 0),
            "page of a queue": lambda repeat: filled.calls.page_of_videos(1 + repeat % TOPICS, 0, ""),
            f"report of {REPORT:,} events": lambda repeat: engagements.report(reports[repeat]),
        }
        sides = {name: partial(_run, runner, call) for name, call in calls.items()}
        spent = in_turn(sides, repeats, advance)
        runner.run(filled.database.close())
    [whole, *_] = spent.values()
    return [
        {"call": name, "CPU ms": 1e3 * median_cpu_s(times), "over whole queues": ratios(times, whole)[1].median}
        for name, times in spent.items()
    ]


def _run(runner: asyncio.Runner, call: Callable[[int], Coroutine[Any, Any, object]], repeat: int) -> None:
    runner.run(call(repeat))


async def _fill(config: DatabaseConfig, videos: int, generator: np.random.Generator) -> FilledQueues:
    await migrate(config)
    database = Database(config)
    if await database.read(_is_used):
        raise OutputExistsError(
            f"the database {database.display_name} has videos or events, which the benchmark would mix with its own",
            "give an empty database, or none: the default is a temporary file",
        )
    video_ids = [f"video-{number:08}" for number in range(videos * TOPICS // TOPICS_A_VIDEO)]
    assigned = []
    for video_id in video_ids:
        topics = generator.choice(TOPICS, TOPICS_A_VIDEO, replace=False).tolist()
        assigned.append(AssignedVideo(video_id, tuple((1 + topic, 0.5) for topic in topics)))
    await TopicVideos(database).put(assigned, NOW - timedelta(days=3))
    engagements, events = Engagements(database, CONFIG.half_life_s), _events(video_ids, generator)
    for start in range(0, len(events), REPORT):
        await engagements.report(events[start : start + REPORT])
    topics = [Topic(1 + number, f"topic {number}", (), videos, (), {}, 0) for number in range(TOPICS)]
    calls = TopicCalls(topics, TopicVideos(database), TopicQueues(database), engagements, CONFIG, lambda: NOW)
    return FilledQueues(database, calls, video_ids)


def _is_used(connection: Connection) -> bool:
    tables = (topic_videos, engagement_events, video_engagement)
    return any(connection.execute(select(table).limit(1)).first() is not None for table in tables)


def _events(video_ids: list[str], generator: np.random.Generator) -> list[EngagementEvent]:
    """Return 0 to 4 exposures and 0 to 2 clicks of each video, in random order."""
    counts: dict[EventKind, int] = {"exposure": 4, "click": 2}
    drawn = [
        EngagementEvent(f"{kind} {video_id} {number}", video_id, "", kind, NOW - timedelta(hours=float(hours)))
        for video_id in video_ids
        for kind, most in counts.items()
        for number, hours in enumerate(generator.uniform(0, 48, size=generator.integers(most + 1)))
    ]
    return [drawn[row] for row in generator.permutation(len(drawn)).tolist()]


def _report(repeat: int, video_ids: list[str]) -> list[EngagementEvent]:
    return [
        EngagementEvent(f"reported {repeat} {number}", video_id, "", "exposure", NOW)
        for number, video_id in enumerate(video_ids)
    ]


async def _whole_queues(database: Database) -> list[list[str]]:
    topics = range(1, 1 + CONFIG.preferred_topics)
    return [await database.read(partial(_ordered, topic)) for topic in topics]


def _ordered(topic: int, connection: Connection) -> list[str]:
    """Return the videos of a topic in order, from the counts of all of them."""
    columns = topic_videos.c
    rows = select(columns.video_id, columns.exposures, columns.clicks, columns.counted_s)
    counts = [
        (video_id, Engagement(exposures, clicks, datetime.fromtimestamp(counted_s, UTC)))
        for video_id, exposures, clicks, counted_s in connection.execute(rows.where(columns.topic_id == topic))
    ]
    decayed = [(video_id, engagement.decayed(NOW, CONFIG.half_life_s)) for video_id, engagement in counts]
    decayed.sort(key=lambda video: (-video[1].click_rate, -video[1].exposures, video[0]))
    return [video_id for video_id, engagement in decayed if engagement.exposures >= CONFIG.least_exposures]
