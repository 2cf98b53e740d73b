import asyncio
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, update

from tagging.errors import BackendUnavailableError, DatabaseMismatchError, InvalidRecordError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.log import lock_end
from tagging.store.database.schema import video_vectors
from tagging.store.database.video_vectors import BATCH, VideoVectors
from tagging.types import FloatRows
from tests.support.database_records import NOON, await_within

pytestmark = pytest.mark.anyio
LATER = NOON + timedelta(days=1)
WIDTH = 4


def rows(count: int, seed: int = 1) -> FloatRows:
    return np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)


async def everything(vectors: VideoVectors, number: int = 0, limit: int = 3) -> dict[str, Any]:
    """Return video id -> (vector, time) of all rows after a number, read in pages."""
    found: dict[str, Any] = {}
    while page := await vectors.after(number, limit):
        for video_id, vector, at in zip(page.video_ids, page.vectors, page.added_at, strict=True):
            assert video_id not in found
            found[video_id] = (vector.tolist(), at)
        assert page.last > number
        number = page.last
    return found


async def test_vectors_are_read_as_they_were_put(database: Database) -> None:
    vectors, stored = VideoVectors(database, "m1", WIDTH), rows(7)
    await vectors.put([f"v{n}" for n in range(7)], stored, NOON)
    assert await everything(vectors) == {f"v{n}": (stored[n].tolist(), NOON) for n in range(7)}
    assert await vectors.after(7, 3) is None


async def test_a_video_that_is_put_again_has_the_new_vector_its_first_time_and_comes_last(database: Database) -> None:
    vectors, stored = VideoVectors(database, "m1", WIDTH), rows(4)
    await vectors.put(["a", "b", "c"], stored[:3], NOON)
    await vectors.put(["a"], stored[3:], LATER)
    assert await everything(vectors) == {
        "b": (stored[1].tolist(), NOON),
        "c": (stored[2].tolist(), NOON),
        "a": (stored[3].tolist(), NOON),
    }
    assert list(await everything(vectors, number=3)) == ["a"]


async def test_the_last_of_equal_videos_counts(database: Database) -> None:
    vectors, stored = VideoVectors(database, "m1", WIDTH), rows(3)
    await vectors.put(["a", "b", "a"], stored, NOON)
    assert {name: found[0] for name, found in (await everything(vectors)).items()} == {
        "a": stored[2].tolist(),
        "b": stored[1].tolist(),
    }


async def test_models_of_any_width_keep_their_vectors_apart(database: Database) -> None:
    first, other = VideoVectors(database, "m1", WIDTH), VideoVectors(database, "m2", 2)
    await first.put(["a", "b"], rows(2), NOON)
    await other.put(["b", "c"], rows(2)[:, :2], NOON)
    assert set(await everything(first)) == {"a", "b"}
    assert set(await everything(other)) == {"b", "c"}


async def test_many_videos_are_put_in_several_transactions(database: Database) -> None:
    vectors = VideoVectors(database, "m1", WIDTH)
    await vectors.put([f"v{n}" for n in range(2 * BATCH + 1)], rows(2 * BATCH + 1), NOON)
    assert len(await everything(vectors, limit=300)) == 2 * BATCH + 1


@pytest.mark.parametrize("damage", [np.nan, np.inf])
async def test_a_vector_that_is_not_finite_is_refused_before_anything_is_written(
    database: Database, damage: float
) -> None:
    vectors, stored = VideoVectors(database, "m1", WIDTH), rows(2)
    stored[1, 2] = damage
    with pytest.raises(ValueError, match="finite"):
        await vectors.put(["a", "b"], stored, NOON)
    with pytest.raises(ValueError, match="vectors of 4"):
        await vectors.put(["a", "b"], rows(2)[:, :3], NOON)
    with pytest.raises(InvalidRecordError, match="video_id"):
        await vectors.put(["a", "b\0"], rows(2), NOON)
    assert await vectors.after(0, 9) is None


@pytest.mark.parametrize(
    "stored", [b"", b"abc", bytes(4 * WIDTH - 4), np.array([1, 2, np.nan, 4], "<f4").tobytes()], ids=len
)
async def test_a_damaged_row_is_an_error_until_the_video_is_added_again(database: Database, stored: bytes) -> None:
    vectors = VideoVectors(database, "m1", WIDTH)
    await vectors.put(["a", "b"], rows(2), NOON)
    damaged = update(video_vectors).where(video_vectors.c.video_id == "a").values(vector=stored)
    await database.write(lambda connection: connection.execute(damaged))
    with pytest.raises(DatabaseMismatchError, match="video 'a'"):
        await vectors.after(0, 9)
    await vectors.put(["a"], rows(1), NOON)
    assert set(await everything(vectors)) == {"a", "b"}


async def test_old_videos_of_every_model_are_removed(database: Database) -> None:
    first, other = VideoVectors(database, "m1", WIDTH), VideoVectors(database, "m2", 2)
    await first.put([f"v{n}" for n in range(5)], rows(5), NOON)
    await other.put(["v0"], rows(1)[:, :2], NOON)
    await first.put(["new"], rows(1), LATER)
    assert [await first.prune(LATER, 4) for _ in range(3)] == [4, 2, 0]
    assert set(await everything(first)) == {"new"}
    assert await other.after(0, 9) is None


async def test_writers_at_once_leave_every_video_once_and_a_reader_misses_none(config: DatabaseConfig) -> None:
    databases = [Database(config) for _ in range(4)]
    names = [f"v{n}" for n in range(60)]
    reader, seen, number = VideoVectors(databases[3], "m1", WIDTH), set[str](), 0

    async def write(writer: int) -> None:
        vectors = VideoVectors(databases[writer], "m1", WIDTH)
        for start in range(0, 60, 20):
            await vectors.put([f"{writer} {name}" for name in names[start : start + 20]], rows(20), NOON)
            await vectors.put(names[:: (-1) ** writer], rows(60), NOON)
            await vectors.prune(NOON, 10)

    async def read() -> None:
        nonlocal number
        while page := await reader.after(number, 50):
            seen.update(page.video_ids)
            number = page.last

    writing = asyncio.gather(*map(write, range(3)))
    while not writing.done():
        await read()
        await asyncio.sleep(0)
    await writing
    await read()
    assert seen == {*names, *(f"{writer} {name}" for writer in range(3) for name in names)}
    assert set(await everything(reader, limit=1000)) == seen
    for database in databases:
        await database.close()


async def test_a_writer_waits_for_the_numbers_of_the_one_before_it(database: Database, config: DatabaseConfig) -> None:
    loop, errors = asyncio.get_running_loop(), list[Exception]()

    async def put_soon() -> None:
        impatient = Database(config.patient(0.2))
        try:
            await VideoVectors(impatient, "m1", WIDTH).put(["a"], rows(1), NOON)
        except BackendUnavailableError as error:
            errors.append(error)
        finally:
            await impatient.close()

    def hold(connection: Connection) -> None:
        lock_end(connection, video_vectors)
        await_within(database, loop, put_soon())

    await database.write(hold)
    assert len(errors) == 1
