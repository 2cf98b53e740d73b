"""Database outages under load: a crashed, hanging, locked or removed database, and recovery."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.service.config import ServiceConfig
from tagging.service.server import serving
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.taggings import Taggings
from tests.support.polling import wait_until_async
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CALLERS = 12  # more than connections, and than videos at once
DEADLINE_S = 5.0
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(slots=True)
class Fault:
    """A database and a context during which it is not available."""

    url: str
    outage: AbstractAsyncContextManager[None]


@pytest.fixture(
    params=["locked", "removed", *(pytest.param(how, marks=pytest.mark.postgres) for how in ("crashed", "hung"))]
)
def fault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fault]:
    file = tmp_path / "service.db"
    if request.param in ("locked", "removed"):
        yield Fault(f"sqlite:///{file}", locked(file) if request.param == "locked" else removed(file))
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.new_database() as url:
        yield Fault(url, unavailable(server, request.param))


@asynccontextmanager
async def locked(file: Path) -> AsyncIterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")  # waits for running transactions
        yield
        other.execute("ROLLBACK")


@asynccontextmanager
async def removed(file: Path) -> AsyncIterator[None]:
    elsewhere = file.rename(file.with_suffix(".moved"))
    yield
    assert not file.exists()  # none was created in its place
    elsewhere.rename(file)


@asynccontextmanager
async def unavailable(server: PostgresServer, how: str) -> AsyncIterator[None]:
    # Not in another thread: the server ends with the thread that started it.
    with server.crashed() if how == "crashed" else server.hung():
        yield


@asynccontextmanager
async def running(bundle: Path, url: str, **database: float) -> AsyncIterator[grpc.aio.Channel]:
    health = {"check_every_s": 0.1, "check_timeout_s": 1.0, "away_after_s": 0.5, "back_after_s": 0.3}
    config = ServiceConfig.model_validate(
        {
            "listen": {"address": "127.0.0.1:0"},
            "database": {"url": url, "wait_timeout_s": 1.0, "connect_timeout_s": 1.0, **database},
            "observe": {"metrics": {"listen": None}, "health": health},
        }
    )
    async with serving(bundle, config) as service:  # noqa: SIM117 - the service outlives its client
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel:
            yield channel


@dataclass(slots=True)
class Load:
    """Callers that tag one video after another, and the outcomes of their calls."""

    stub: Any
    deadline_s: float | None = DEADLINE_S
    answered: set[str] = field(default_factory=set)
    failed: list[grpc.aio.AioRpcError] = field(default_factory=list)
    stopped: bool = False

    async def caller(self, number: int) -> None:
        turn = 0
        while not self.stopped:
            turn += 1
            request = pb.TagVideoRequest(video_id=f"v{number}-{turn}", title="a dog and a cat")
            try:
                await self.stub.TagVideo(request, timeout=self.deadline_s)
                self.answered.add(request.video_id)
            except grpc.aio.AioRpcError as error:
                self.failed.append(error)
                await asyncio.sleep(0.05)

    async def more_answers(self, count: int) -> None:
        wanted = len(self.answered) + count
        await wait_until_async(lambda: len(self.answered) >= wanted)

    async def more_failures(self, count: int) -> None:
        wanted = len(self.failed) + count
        await wait_until_async(lambda: len(self.failed) >= wanted)


@asynccontextmanager
async def load(channel: grpc.aio.Channel, deadline_s: float | None = DEADLINE_S) -> AsyncIterator[Load]:
    calls = Load(rpc.TaggingServiceStub(channel), deadline_s)
    callers = [asyncio.create_task(calls.caller(number)) for number in range(CALLERS)]
    try:
        yield calls
    finally:
        calls.stopped = True
        await asyncio.gather(*callers)


def retry_s(error: grpc.aio.AioRpcError) -> float:
    """Return the retry delay in the details of the status."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    [info] = [detail for detail in status.details if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR)]
    retry = error_details_pb2.RetryInfo()
    assert info.Unpack(retry)
    return retry.retry_delay.ToTimedelta().total_seconds()


async def test_calls_during_an_outage_get_a_retry_delay_and_succeed_afterwards(
    tiny_starter: Path, fault: Fault
) -> None:
    async with running(tiny_starter, fault.url) as channel, load(channel) as calls:
        await calls.more_answers(2 * CALLERS)
        async with fault.outage:
            await calls.more_failures(3 * CALLERS)
        await calls.more_answers(5 * CALLERS)
        failed = len(calls.failed)
        await calls.more_answers(5 * CALLERS)
        assert len(calls.failed) == failed  # no call that began after the outage fails
    assert {error.code() for error in calls.failed} == {grpc.StatusCode.UNAVAILABLE}
    for error in calls.failed:
        assert "database" in (error.details() or "")
        assert retry_s(error) > 0
    assert await stored(fault.url, calls.answered) == calls.answered


async def stored(url: str, video_ids: set[str]) -> set[str]:
    database = Database(DatabaseConfig.model_validate({"url": url}))
    taggings = Taggings(database)
    found = {video_id for video_id in video_ids if await taggings.latest(video_id) is not None}
    await database.close()
    return found


@pytest.mark.parametrize("fault", [pytest.param("hung", marks=pytest.mark.postgres)], indirect=True)
async def test_calls_without_a_deadline_end_at_the_timeout_of_a_hanging_database(
    tiny_starter: Path, fault: Fault
) -> None:
    async with running(tiny_starter, fault.url, answer_timeout_s=0.5) as channel, load(channel, None) as calls:
        await calls.more_answers(CALLERS)
        async with fault.outage:
            await calls.more_failures(2 * CALLERS)
        await calls.more_answers(CALLERS)
    assert {error.code() for error in calls.failed} == {grpc.StatusCode.UNAVAILABLE}


@pytest.mark.parametrize(
    "fault", ["removed", *(pytest.param(how, marks=pytest.mark.postgres) for how in ("crashed", "hung"))], indirect=True
)
async def test_health_is_not_serving_exactly_during_an_outage(tiny_starter: Path, fault: Fault) -> None:
    async with running(tiny_starter, fault.url) as channel, load(channel) as calls:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        async with fault.outage:
            assert (await watch.read()).status == NOT_SERVING
        assert (await watch.read()).status == SERVING
        await calls.more_answers(CALLERS)
        watch.cancel()


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["crashed", "hung"])
async def test_repeated_outages_leak_no_connection(tiny_starter: Path, postgres: PostgresServer, how: str) -> None:
    with postgres.new_database() as url:
        name = url.rsplit("/", 1)[1].partition("?")[0]
        async with running(tiny_starter, url, answer_timeout_s=0.5, statement_timeout_s=1.0) as channel:
            async with load(channel) as calls:
                for _ in range(3):
                    async with unavailable(postgres, how):
                        await calls.more_failures(2 * CALLERS)
                    await calls.more_answers(2 * CALLERS)
            query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
            assert 0 < int(await asyncio.to_thread(postgres.sql, query)) <= DatabaseConfig().connections
        for _ in range(200):
            if (left := await asyncio.to_thread(postgres.sql, query)) == "0":
                break
            await asyncio.sleep(0.05)
        assert left == "0"


@pytest.mark.parametrize("fault", [pytest.param("hung", marks=pytest.mark.postgres)], indirect=True)
async def test_stopping_does_not_wait_for_a_hanging_database(tiny_starter: Path, fault: Fault) -> None:
    ready, stop = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        async with running(tiny_starter, fault.url, answer_timeout_s=0.5) as channel:
            async with load(channel) as calls:
                await calls.more_answers(CALLERS)
            ready.set()  # its connections are open and idle
            await stop.wait()

    task = asyncio.create_task(serve())
    await ready.wait()
    async with fault.outage:
        stop.set()
        finished, _ = await asyncio.wait([task], timeout=60)
        assert finished == {task}
    await task
