"""Killed writers, crashed servers and killed migrations lose no acknowledged record."""

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.engagements import Engagements
from tagging.store.database.migrate import migrate, require_current
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Taggings
from tagging.store.database.video_vectors import BATCH, VideoVectors
from tagging.types import FloatRows
from tests.support.database_records import NOON, database_at, edit, request_id_of, tagging, url_of
from tests.support.postgres import PostgresServer
from tests.support.topic_rows import StoredVideo, stored_videos

KILLS = int(os.environ.get("VIDEOTAG_TEST_KILLS", "1"))
pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WRITER = """
import asyncio, sys
from tagging.errors import BackendUnavailableError
from tagging.store.database.database import Database
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Taggings
from tagging.store.database.video_vectors import BATCH, VideoVectors
from tagging.types import FloatRows
from tests.support.database_records import NOON, database_at, edit, tagging

async def retried(make):
    async with asyncio.timeout(120):
        while True:
            try:
                return await make()
            except BackendUnavailableError:
                await asyncio.sleep(0.02)

async def write(url, name, count):
    database = Database(database_at(url, wait_timeout_s=60))
    for n in range(count):
        stored = await retried(lambda: TagEdits(database).append(edit(f"{name}-{n}")))
        await retried(lambda: Taggings(database).put(tagging(f"{name}-{n}", name=str(n))))
        print(stored.number, f"{name}-{n}", flush=True)
    await database.close()

asyncio.run(write(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def writer(config: DatabaseConfig, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, url_of(config), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def acknowledgement(line: str) -> tuple[int, str]:
    number, request_id = line.split()
    return int(number), request_id


async def test_acknowledged_writes_of_a_killed_writer_are_stored_and_a_retry_duplicates_nothing(
    config: DatabaseConfig,
) -> None:
    acknowledged: set[tuple[int, str]] = set()
    for round_ in range(KILLS):
        process = writer(config, f"w{round_}", 10_000)
        assert process.stdout is not None
        for _ in range(20):
            acknowledged.add(acknowledgement(process.stdout.readline()))
        await asyncio.sleep(random.Random(round_).random() * 0.05)  # at a random point of a write
        process.kill()
        acknowledged |= {
            acknowledgement(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")
        }
        process.wait()
        process.stdout.close()

    database = Database(config)
    edits, taggings = TagEdits(database), Taggings(database)
    stored = {(entry.number, request_id_of(entry)) async for entry in edits.all_after()}
    assert acknowledged <= stored
    assert len(stored) - len(acknowledged) <= KILLS  # at most one per kill: committed but not acknowledged
    for number, request_id in acknowledged:
        assert (await edits.append(edit(request_id))).number == number
        assert await taggings.latest(request_id) is not None
    assert [entry.number async for entry in edits.all_after()] == list(range(1, len(stored) + 1))
    await database.close()


VECTORS_WRITER = """
import asyncio, sys
import numpy as np
from tagging.store.database.database import Database
from tagging.store.database.video_vectors import VideoVectors
from tests.support.database_records import NOON, database_at

async def write(url):
    rows = np.repeat(np.arange(1, 100_001, dtype=np.float32)[:, None], 8, axis=1)
    await VideoVectors(Database(database_at(url)), "m", 8).put([f"v{n}" for n in range(1, 100_001)], rows, NOON)

asyncio.run(write(sys.argv[1]))
"""


async def test_a_killed_writer_of_vectors_leaves_whole_rows_that_a_repetition_completes(config: DatabaseConfig) -> None:
    database = Database(config)
    vectors, found = VideoVectors(database, "m", 8), dict[str, FloatRows]()

    async def read(number: int) -> int:
        """Read all rows after a number; return the last number."""
        while page := await vectors.after(number, 5000):
            found.update(zip(page.video_ids, page.vectors, strict=True))
            number = page.last
        return number

    process = subprocess.Popen([sys.executable, "-c", VECTORS_WRITER, url_of(config)])
    last = 0
    while last < 2000:
        last = await read(last)
        assert process.poll() is None
        await asyncio.sleep(0.01)
    process.kill()
    process.wait()
    assert await read(last) == len(found) < 100_000
    assert len(found) % BATCH == 0
    for video_id, vector in found.items():
        assert vector.tolist() == [int(video_id[1:])] * 8

    again = np.repeat(np.arange(1, 4001, dtype=np.float32)[:, None], 8, axis=1)
    stored = set(found)
    await vectors.put([f"v{n}" for n in range(1, 4001)], again, NOON)
    found.clear()
    assert await read(0) == len(stored) + 4000  # each again with a new number
    assert found.keys() == stored | {f"v{n}" for n in range(1, 4001)}
    await database.close()


REPORTER = """
import asyncio, sys
from tagging.store.database.database import Database
from tagging.store.database.engagements import EngagementEvent, Engagements
from tagging.store.database.topic_videos import TopicVideos
from tagging.store.topic_video import AssignedVideo
from tests.support.database_records import NOON, database_at

async def write(url, name):
    database = Database(database_at(url, wait_timeout_s=60))
    videos, engagements = TopicVideos(database), Engagements(database, 86_400.0)
    for n in range(10_000):
        topics = ((n % 3, 0.5), (3, 0.4))
        await videos.put([AssignedVideo(f"v{m}", topics) for m in range(5)], NOON)
        await engagements.report([EngagementEvent(f"{name}-{n}-{m}", f"v{m}", "u", "click", NOON) for m in range(5)])
        print(n, flush=True)

asyncio.run(write(sys.argv[1], sys.argv[2]))
"""


async def test_queues_agree_with_the_events_after_reporters_were_killed(config: DatabaseConfig) -> None:
    acknowledged = 0
    for round_ in range(KILLS):
        command = [sys.executable, "-c", REPORTER, url_of(config), f"w{round_}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        await asyncio.sleep(random.Random(round_).random() * 0.05)  # at a random point of a write
        process.kill()
        acknowledged += 20 + sum(line.endswith("\n") for line in process.stdout.read().splitlines(keepends=True))
        process.wait()
        process.stdout.close()

    database = Database(config)
    clicks = await Engagements(database, 86_400.0).clicked("u", 10**6)
    assert acknowledged <= len(clicks) / 5 <= acknowledged + KILLS  # at most one per kill was not acknowledged
    wanted = {StoredVideo(f"v{n}", NOON, 0.0, len(clicks) / 5) for n in range(5)}
    assert await stored_videos(database, 3) == wanted
    others = [await stored_videos(database, topic) for topic in range(3)]
    assert sorted(others, key=len) == [set(), set(), wanted]  # each assignment replaced the topics of all
    await database.close()


@pytest.mark.postgres
@pytest.mark.parametrize("empty", ["postgres"], indirect=True)
async def test_a_writer_continues_after_a_crash_and_restart_of_the_server(
    config: DatabaseConfig, postgres: PostgresServer
) -> None:
    process = writer(config, "w", 80)
    assert process.stdout is not None
    lines = []
    for _ in range(2):
        lines += [await asyncio.to_thread(process.stdout.readline) for _ in range(20)]
        with postgres.crashed():
            await asyncio.sleep(0.1)
    lines += await asyncio.to_thread(process.stdout.readlines)
    assert process.wait() == 0
    process.stdout.close()
    assert [acknowledgement(line) for line in lines] == [(n + 1, f"w-{n}") for n in range(80)]
    database = Database(config)
    stored = [(entry.number, request_id_of(entry)) async for entry in TagEdits(database).all_after()]
    assert stored == [acknowledgement(line) for line in lines]
    await database.close()


async def test_a_killed_migration_is_complete_or_has_no_effect(tmp_path: Path) -> None:
    script = "import asyncio, sys\nfrom tagging.store.database.migrate import migrate\n"
    script += "from tests.support.database_records import database_at\n"
    script += "print('ready', flush=True)\nasyncio.run(migrate(database_at(sys.argv[1])))\n"
    for n in range(2 + KILLS):
        config = database_at(f"sqlite:///{tmp_path}/{n}.db")
        command = [sys.executable, "-c", script, url_of(config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        await asyncio.sleep(0.05 * n)
        process.kill()
        process.wait()
        process.stdout.close()
        await migrate(config)
        database = Database(config)
        await require_current(database)
        assert (await TagEdits(database).append(edit("r1"))).number == 1
        assert await Taggings(database).put(tagging()) == tagging()
        await database.close()
