"""The benchmark of topic queues."""

import asyncio
import json
from pathlib import Path

import pytest

from tagging.store.database.database import Database
from tagging.store.database.migrate import migrate
from tagging.store.database.topic_videos import TopicVideos
from tagging.store.topic_video import AssignedVideo
from tests.support.clocks import NOW
from tests.support.database_records import database_at
from tests.support.tools import run_tools


def test_the_command_prints_each_call_against_whole_queues(capsys: pytest.CaptureFixture[str]) -> None:
    run_tools("benchmarks", "queues", "--videos", "400", "--repeats", "1", "--format", "json")
    [(title, rows)] = json.loads(capsys.readouterr().out).items()
    assert title == "queues of 400 videos"
    whole, candidates, page, report = rows
    assert [row["call"] for row in rows] == [
        "5 whole queues",
        "candidates",
        "page of a queue",
        "report of 1,000 events",
    ]
    assert whole["over whole queues"] == 1
    assert min(candidates["CPU ms"], page["CPU ms"], report["CPU ms"]) > 0


def test_a_database_with_records_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/mine.db"

    async def put() -> None:
        await migrate(database_at(url))
        database = Database(database_at(url))
        await TopicVideos(database).put([AssignedVideo("mine", ((1, 0.5),))], NOW)
        await database.close()

    asyncio.run(put())
    run_tools("benchmarks", "queues", "--videos", "20", "--repeats", "1", "--database", url, code=1)
    assert "mine.db has videos" in capsys.readouterr().err
