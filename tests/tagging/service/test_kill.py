"""The service as a process over a real database, killed and stopped while it is called."""

import asyncio
import os
import random
import time
from collections.abc import Iterator
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

from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog
from tagging.store.database.labelled_videos import LabelledLog
from tagging.store.database.tag_edits import TagEdits
from tagging.tools.load_test.service_process import ServiceProcess, service_process
from tests.support.polling import wait_until_async
from tests.support.postgres import PostgresServer
from tests.support.processes import runs

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROUNDS = int(os.environ.get("VIDEOTAG_TEST_KILLS", "1"))
CALLERS = 4
SHUT_DOWN = (grpc.StatusCode.UNAVAILABLE,)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/service.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.new_database() as database_url:
        yield database_url


@dataclass(slots=True)
class Session:
    """The calls of one client, step by step, and the responses it got."""

    name: str
    responses: dict[str, Any] = field(default_factory=dict)  # by step

    async def resume(self, stub: Any) -> None:
        """Make the calls that were not answered yet; raises the error of the first one that fails."""
        if "tagging" not in self.responses:
            self.responses["tagging"] = await stub.TagVideo(self.video)
        if "tag" not in self.responses:
            self.responses["tag"] = await _created(stub, f"tag {self.name}")
        if "labelled" not in self.responses:
            self.responses["labelled"] = await stub.AddLabelledVideo(self.labelled)
        if "feedback" not in self.responses:
            self.responses["feedback"] = await stub.SubmitFeedback(self.feedback)

    @property
    def video(self) -> pb.TagVideoRequest:
        return pb.TagVideoRequest(video_id=f"v{self.name}", title="a dog and a cat")

    @property
    def labelled(self) -> pb.AddLabelledVideoRequest:
        return pb.AddLabelledVideoRequest(
            video_id=f"l{self.name}", title=f"zxcv {self.name}", tags=[f"tag {self.name}", "dog"]
        )

    @property
    def feedback(self) -> pb.SubmitFeedbackRequest:
        accepted = [self.responses["tagging"].tags[0].id]
        return pb.SubmitFeedbackRequest(
            video_id=f"v{self.name}", accepted_tag_ids=accepted, feedback_id=f"f{self.name}"
        )


async def _created(stub: Any, name: str) -> str:
    """Return the id of the tag, from this call or from an earlier one whose response was lost."""
    try:
        return str((await stub.CreateTag(pb.CreateTagRequest(name=name))).tag.id)
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
        info = error_details_pb2.ErrorInfo()
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        assert status is not None
        assert status.details[0].Unpack(info)
        return info.metadata["existing_id"]


async def test_acknowledged_writes_survive_a_kill_and_retries_duplicate_nothing(
    tiny_starter: Path, tmp_path: Path, unseen_corpus: Path, url: str
) -> None:
    clip = next(unseen_corpus.parent.glob("*.mp4")).read_bytes()
    chance, sessions = random.Random(7), list[Session]()
    for _ in range(ROUNDS):
        with service_process(tiny_starter, tmp_path, url) as service:
            async with grpc.aio.insecure_channel(service.address) as channel:
                stub = rpc.TaggingServiceStub(channel)
                for session in sessions:
                    await _check_responses(stub, session)
                callers = [asyncio.create_task(_call(stub, sessions, 1000 * len(sessions) + n)) for n in range(CALLERS)]
                enough = len(sessions) + 2 * CALLERS
                await wait_until_async(lambda: len(sessions) >= enough)  # noqa: B023 - waited for in this round
                await asyncio.sleep(chance.random() / 10)  # at a random point of the calls
                await stub.TagVideo(pb.TagVideoRequest(video_id=f"clip{len(sessions)}", content=clip))
                pids = service.pids()
                service.kill()
                await asyncio.gather(*callers)
        assert len(pids) > 1  # the decode workers
        await wait_until_async(lambda: not any(runs(pid) for pid in pids))  # noqa: B023 - waited for in this round
    with service_process(tiny_starter, tmp_path, url) as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub = rpc.TaggingServiceStub(channel)
            for session in sessions:
                await _check_responses(stub, session)
                await session.resume(stub)
            for session in sessions:  # repeat all calls
                again = Session(session.name)
                await again.resume(stub)
                assert again.responses["tag"] == session.responses["tag"]
                assert again.responses["tagging"].tagged_at == session.responses["tagging"].tagged_at
    await _is_stored_once(url, sessions)


async def _call(stub: Any, sessions: list[Session], number: int) -> None:
    """Start one session after another until the service is gone."""
    for turn in range(1000):
        session = Session(f"{number}-{turn}")
        sessions.append(session)
        try:
            await session.resume(stub)
        except grpc.aio.AioRpcError as error:
            assert error.code() in SHUT_DOWN, error  # noqa: PT017
            return


async def _check_responses(stub: Any, session: Session) -> None:
    """Check that every response that the client got still holds."""
    if "tagging" in session.responses:
        again = await stub.TagVideo(session.video)
        assert (again.from_store, again.tagged_at) == (True, session.responses["tagging"].tagged_at)
    if "tag" in session.responses:
        listed = (await stub.ListTags(pb.ListTagsRequest(text=f"tag {session.name}", page_size=1000))).tags
        [tag] = [tag for tag in listed if tag.name == f"tag {session.name}"]  # other names have the same prefix
        assert tag.id == session.responses["tag"]
    if "feedback" in session.responses:
        assert await stub.SubmitFeedback(session.feedback) == session.responses["feedback"]
    if "labelled" in session.responses:
        request = pb.TagVideoRequest(
            video_id=f"q{time.monotonic_ns()}",
            title=f"zxcv {session.name}",
            options=pb.TagVideoOptions(max_tags=50, min_confidence=0.0),
        )
        assert session.responses["tag"] in [tag.id for tag in (await stub.TagVideo(request)).tags]


async def _is_stored_once(url: str, sessions: list[Session]) -> None:
    database = Database(DatabaseConfig.model_validate({"url": url}))
    created = [entry.record.after["name"] async for entry in TagEdits(database).all_after()]
    assert sorted(created) == sorted(f"tag {session.name}" for session in sessions)
    feedback = [entry.record.origin.request_id async for entry in FeedbackLog(database).all_after()]
    assert sorted(feedback) == sorted(f"f{session.name}" for session in sessions)
    videos = {entry.record.video_id async for entry in LabelledLog(database).all_after()}
    assert videos == {f"l{session.name}" for session in sessions}  # the last of several entries of a video counts
    await database.close()


@pytest.fixture
def service(tiny_starter: Path, tmp_path: Path) -> Iterator[ServiceProcess]:
    with service_process(tiny_starter, tmp_path, f"sqlite:///{tmp_path}/service.db") as process:
        yield process


async def test_a_stop_under_load_drains_calls_and_reports_not_serving(
    service: ServiceProcess,
) -> None:
    answered, failed = 0, list[grpc.StatusCode]()
    async with grpc.aio.insecure_channel(service.address) as channel:
        stub: Any = rpc.TaggingServiceStub(channel)

        async def caller(number: int) -> None:
            nonlocal answered
            for turn in range(10_000):
                try:
                    await stub.TagVideo(pb.TagVideoRequest(video_id=f"c{number}-{turn}", title="a dog"))
                    answered += 1
                except grpc.aio.AioRpcError as error:
                    failed.append(error.code())
                    return

        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stream = stub.StreamTagVideos()  # a call that runs as long as the test wants
        await stream.write(_streamed("s0"))
        assert (await stream.read()).tagging.video_id == "s0"
        callers = [asyncio.create_task(caller(number)) for number in range(CALLERS)]
        await wait_until_async(lambda: answered >= 5 * CALLERS)
        for number in range(1, 4):
            await stream.write(_streamed(f"s{number}"))
        service.terminate()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await asyncio.gather(*callers)
        assert set(failed) == {grpc.StatusCode.UNAVAILABLE}
        streamed = list[str]()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            for _ in range(4):
                streamed.append((await stream.read()).tagging.video_id)
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
        assert set(streamed) <= {"s1", "s2", "s3"}  # the requests that the server had read; none is an error
        await watch.code()
    assert await asyncio.to_thread(service.wait) == 0
    assert "Traceback" not in service.log
    assert "never retrieved" not in service.log


async def test_clients_that_call_until_the_process_ends_get_nothing_but_answers_and_unavailable(
    service: ServiceProcess,
) -> None:
    codes: dict[str, list[grpc.StatusCode]] = {"before": [], "after": []}
    since = "before"

    async def caller(number: int) -> None:
        async with grpc.aio.insecure_channel(service.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub: Any = rpc.TaggingServiceStub(channel)
            turn = 0
            while service.is_alive:
                turn += 1
                call = stub.TagVideo(pb.TagVideoRequest(video_id=f"u{number}-{turn}", title="a dog"))
                code = await call.code()
                codes[since].append(code)  # by when it ended: the call may have begun before the signal

    callers = [asyncio.create_task(caller(number)) for number in range(CALLERS)]
    await wait_until_async(lambda: len(codes["before"]) >= 5 * CALLERS)
    since = "after"
    service.terminate()
    await asyncio.gather(*callers)
    assert set(codes["before"]) == {grpc.StatusCode.OK}
    assert {grpc.StatusCode.UNAVAILABLE} <= set(codes["after"]) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert service.wait() == 0
    assert "Traceback" not in service.log


def _streamed(video_id: str) -> pb.StreamTagVideosRequest:
    return pb.StreamTagVideosRequest(request=pb.TagVideoRequest(video_id=video_id, title="a cat"))
