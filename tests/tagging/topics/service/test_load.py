"""The topic service under more calls than it can take, and calls whose clients do not wait for the answer."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from videotag.v1 import topics_pb2 as pb
from videotag.v1 import topics_pb2_grpc as rpc

from tagging.service import model_server
from tagging.service.inference.admission import Admission
from tagging.store.database.config import DatabaseConfig
from tagging.topics.service.config import TopicServiceConfig
from tagging.topics.service.server import serving
from tests.support.clocks import MovedClock
from tests.support.database_records import url_of
from tests.support.polling import wait_until_async
from tests.support.service import refused
from tests.tagging.topics.service.conftest import CLICK, EXPOSURE, TopicClient, running, topic_config

pytestmark = pytest.mark.anyio


class Watched(Admission):
    """An admission whose last instance a test reads."""

    last: "Watched"

    def __init__(self, limits: Any) -> None:
        super().__init__(limits)
        Watched.last = self

    @property
    def in_progress(self) -> int:
        return self._in_progress


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TopicServiceConfig:
    """One call at a time, two that wait, and a database that waits for its lock."""
    monkeypatch.setattr(model_server, "Admission", Watched)
    config = topic_config(tmp_path)
    admission = config.admission.model_copy(update={"calls": 1, "waiting": 2})
    return config.model_copy(update={"admission": admission, "database": config.database.patient(100.0)})


@pytest.fixture
async def client(fitted: Path, config: TopicServiceConfig) -> AsyncIterator[TopicClient]:
    async with running(fitted, config) as started:
        yield started


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the write lock of the database, so that reports wait."""
    with closing(sqlite3.connect(folder / "topics.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def report(client: TopicClient, number: int, **options: float) -> Any:
    """Begin a call that reports one event."""
    event = pb.EngagementEvent(event_id=f"e{number}", video_id="v1", kind=EXPOSURE)
    return client.stub.ReportEngagement(pb.ReportEngagementRequest(events=[event]), **options)


async def filled(client: TopicClient, count: int) -> list[Any]:
    """Return calls that are in progress, the first of them, or wait; each is begun after the one before was taken."""
    calls = []
    for number in range(count):
        calls.append(report(client, number))
        await taken(number)
    return calls


async def taken(waiting: int) -> None:
    await wait_until_async(lambda: (Watched.last.in_progress, Watched.last.waiting) == (1, waiting))


async def code_of(call: Any) -> grpc.StatusCode:
    with suppress(grpc.aio.AioRpcError):
        await call
    code = await call.code()
    assert isinstance(code, grpc.StatusCode)
    return code


async def test_calls_beyond_the_room_to_wait_are_refused_and_the_others_answered(
    client: TopicClient, tmp_path: Path
) -> None:
    with locked(tmp_path):
        calls = await filled(client, 3)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await client.stub.ListCandidates(pb.ListCandidatesRequest(user_id="u"))
    assert [(await call).counted for call in calls] == [1, 1, 1]
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert raised.value.details() == "1 calls are in progress, and 2 wait"
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
    assert status is not None
    [delay] = [detail for detail in status.details if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR)]
    retry = error_details_pb2.RetryInfo()
    assert delay.Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() >= 100
    assert await client.stub.ListCandidates(pb.ListCandidatesRequest(user_id="u")) is not None


async def test_calls_that_need_no_turn_are_answered_while_others_wait(client: TopicClient, tmp_path: Path) -> None:
    with locked(tmp_path):
        calls = await filled(client, 3)
        assert len((await client.stub.ListTopics(pb.ListTopicsRequest())).topics) == 4
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await client.stub.ListCandidates(pb.ListCandidatesRequest())
        health: Any = health_pb2_grpc.HealthStub(client.channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
    await asyncio.gather(*calls)


async def test_a_call_that_is_cancelled_or_late_leaves_its_place_in_the_queue(
    client: TopicClient, tmp_path: Path
) -> None:
    with locked(tmp_path):
        first, cancelled = await filled(client, 2)
        cancelled.cancel()
        await taken(0)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await report(client, 2, timeout=0.2)
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await taken(0)
    assert (await first).counted == 1
    repeated = await asyncio.gather(*(report(client, number) for number in range(3)))
    assert [answer.counted for answer in repeated] == [0, 1, 1]  # those that waited were never counted


async def test_a_call_that_is_cancelled_in_progress_keeps_its_turn_until_its_transaction_ends(
    client: TopicClient, tmp_path: Path
) -> None:
    with locked(tmp_path):
        cancelled, waiting = await filled(client, 2)
        cancelled.cancel()
        late = report(client, 2, timeout=0.2)
        with pytest.raises(grpc.aio.AioRpcError):
            await late
        await taken(1)
    assert (await waiting).counted == 1
    assert (await report(client, 0)).counted == 0  # of the cancelled call, whose transaction was completed


async def test_calls_that_wait_at_shutdown_are_answered_and_later_ones_sent_elsewhere(
    fitted: Path, tmp_path: Path, config: TopicServiceConfig
) -> None:
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stopping = asyncio.Event()

    async def serve() -> None:
        async with serving(fitted, config.model_copy(update={"drain_s": 60.0})) as service:
            started.set_result(service.port)
            await stopping.wait()

    service = asyncio.create_task(serve())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await started}") as channel:
        client = TopicClient(rpc.TopicServiceStub(channel), channel, MovedClock(), None)
        with locked(tmp_path):
            calls = await filled(client, 3)
            stopping.set()
            while (code := await code_of(report(client, 3))) == grpc.StatusCode.RESOURCE_EXHAUSTED:
                await asyncio.sleep(0.01)  # until the drain begins
        assert code == grpc.StatusCode.UNAVAILABLE
        assert [(await call).counted for call in calls] == [1, 1, 1]
        await service


async def test_two_services_on_one_database_agree_while_both_take_reports(empty: DatabaseConfig, fitted: Path) -> None:
    config = topic_config(Path(), url_of(empty), least_exposures=1, fresh_days=0.01)
    async with running(fitted, config) as first, running(fitted, config) as second:
        names = [video.video_id for video in (await first.queue(1)).videos]
        for client in (first, second):
            client.clock.move(days=1)  # none is fresh
        events = [
            [
                pb.EngagementEvent(event_id=f"{name} {kind} {n}", video_id=name, user_id=f"u{n}", kind=kind)
                for rank, name in enumerate(names[n % 3 :])
                for kind in (EXPOSURE, CLICK)[: 1 + (n % (rank + 2) == 0)]
            ]
            for n in range(30)
        ]
        reports = [
            client.stub.ReportEngagement(pb.ReportEngagementRequest(events=events[n]))
            for n in range(30)
            for client in (first, second)  # each event is reported to both
        ]
        listings = [client.queue(1) for _ in range(10) for client in (first, second)]
        answers = await asyncio.gather(*reports, *listings)
        assert sum(answer.counted for answer in answers[:60]) == sum(map(len, events))
        for answer in answers[60:]:
            rates = [video.click_rate for video in answer.videos]
            assert rates == sorted(rates, reverse=True)
        queues = [[*(await client.queue(1)).videos] for client in (first, second)]
        assert queues[0] == queues[1]
        assert sum(video.exposures for video in queues[0]) == sum(
            event.kind == EXPOSURE for report in events for event in report
        )
        request = pb.ListCandidatesRequest(user_id="u0")
        assert [*(await first.stub.ListCandidates(request)).topics] == [
            *(await second.stub.ListCandidates(request)).topics
        ]


async def test_waiting_and_refused_calls_are_measured(fitted: Path, tmp_path: Path, config: TopicServiceConfig) -> None:
    metrics = config.observe.metrics.model_copy(update={"listen": "127.0.0.1:0"})
    observe = config.observe.model_copy(update={"metrics": metrics})
    async with running(fitted, config.model_copy(update={"observe": observe})) as client:
        with locked(tmp_path):
            calls = await filled(client, 3)
            async with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"):
                await report(client, 3)
            text = await asyncio.to_thread(client.scrape)
        await asyncio.gather(*calls)
    assert "tagging_admission_waiting 2.0" in text
    assert 'tagging_rejected_total{reason="OVERLOADED"} 1.0' in text
