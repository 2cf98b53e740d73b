"""The service is killed and told to stop while it is being called, as a process of its own over a real database."""

import asyncio
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
from tagging.tools.load_test.process import ServiceProcess, service_process
from tests.support.polling import wait_until_async
from tests.support.postgres import PostgresServer
from tests.support.processes import runs

pytestmark = pytest.mark.anyio

ROUNDS, CALLERS = 2, 4
GONE = (grpc.StatusCode.UNAVAILABLE,)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/service.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.new_database() as one:
        yield one


@dataclass(slots=True)
class Story:
    """What one caller asked of the service, step by step, and what it was told."""

    name: str
    told: dict[str, Any] = field(default_factory=dict)  # answers by step

    async def go_on(self, stub: Any) -> None:
        """All steps that were not answered yet; ends with the error of the first that is not."""
        if "tagging" not in self.told:
            self.told["tagging"] = await stub.TagVideo(self.video)
        if "tag" not in self.told:
            self.told["tag"] = await _created(stub, f"tag {self.name}")
        if "labelled" not in self.told:
            self.told["labelled"] = await stub.AddLabelledVideo(self.labelled)
        if "feedback" not in self.told:
            self.told["feedback"] = await stub.SubmitFeedback(self.feedback)

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
        accepted = [self.told["tagging"].tags[0].id]
        return pb.SubmitFeedbackRequest(
            video_id=f"v{self.name}", accepted_tag_ids=accepted, feedback_id=f"f{self.name}"
        )


async def _created(stub: Any, name: str) -> str:
    """The tag's id: of the call, or of the one before it whose answer was lost."""
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


async def test_after_a_kill_what_was_acknowledged_is_there_and_retries_double_nothing(
    tiny_starter: Path, tmp_path: Path, unseen_corpus: Path, url: str
) -> None:
    clip = next(unseen_corpus.parent.glob("*.mp4")).read_bytes()
    chance, stories = random.Random(7), list[Story]()
    for _ in range(ROUNDS):
        with service_process(tiny_starter, tmp_path, url) as service:
            async with grpc.aio.insecure_channel(service.address) as channel:
                stub = rpc.TaggingServiceStub(channel)
                for story in stories:
                    await _is_kept(stub, story)
                callers = [asyncio.create_task(_tell(stub, stories, 1000 * len(stories) + n)) for n in range(CALLERS)]
                enough = len(stories) + 2 * CALLERS
                await wait_until_async(lambda: len(stories) >= enough)  # noqa: B023 - waited for in this turn
                await asyncio.sleep(chance.random() / 10)  # anywhere in a call
                await stub.TagVideo(pb.TagVideoRequest(video_id=f"clip{len(stories)}", content=clip))
                pids = service.pids()
                service.kill()
                await asyncio.gather(*callers)
        assert len(pids) > 1  # decoders
        await _ended(pids)
    with service_process(tiny_starter, tmp_path, url) as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub = rpc.TaggingServiceStub(channel)
            for story in stories:
                await _is_kept(stub, story)
                await story.go_on(stub)
            for story in stories:  # and all of it once more
                again = Story(story.name)
                await again.go_on(stub)
                assert again.told["tag"] == story.told["tag"]
                assert again.told["tagging"].tagged_at == story.told["tagging"].tagged_at
    await _is_there_once(url, stories)


async def _tell(stub: Any, stories: list[Story], number: int) -> None:
    """One story after the other, until the service is gone."""
    for turn in range(1000):
        story = Story(f"{number}-{turn}")
        stories.append(story)
        try:
            await story.go_on(stub)
        except grpc.aio.AioRpcError as error:
            assert error.code() in GONE, error  # noqa: PT017
            return


async def _is_kept(stub: Any, story: Story) -> None:
    """Whatever the caller was told is so."""
    if "tagging" in story.told:
        again = await stub.TagVideo(story.video)
        assert (again.from_store, again.tagged_at) == (True, story.told["tagging"].tagged_at)
    if "tag" in story.told:
        listed = (await stub.ListTags(pb.ListTagsRequest(text=f"tag {story.name}", page_size=1000))).tags
        [tag] = [one for one in listed if one.name == f"tag {story.name}"]  # others begin so, too
        assert tag.id == story.told["tag"]
    if "feedback" in story.told:
        assert await stub.SubmitFeedback(story.feedback) == story.told["feedback"]
    if "labelled" in story.told:
        request = pb.TagVideoRequest(
            video_id=f"q{time.monotonic_ns()}",
            title=f"zxcv {story.name}",
            options=pb.TagVideoOptions(max_tags=50, min_confidence=0.0),
        )
        assert story.told["tag"] in [tag.id for tag in (await stub.TagVideo(request)).tags]


async def _is_there_once(url: str, stories: list[Story]) -> None:
    database = Database(DatabaseConfig.model_validate({"url": url}))
    created = [entry.record.after["name"] async for entry in TagEdits(database).all_after()]
    assert sorted(created) == sorted(f"tag {story.name}" for story in stories)
    feedback = [entry.record.origin.request_id async for entry in FeedbackLog(database).all_after()]
    assert sorted(feedback) == sorted(f"f{story.name}" for story in stories)
    videos = {entry.record.video_id async for entry in LabelledLog(database).all_after()}
    assert videos == {f"l{story.name}" for story in stories}  # the last of a video's entries is what counts
    await database.close()


async def _ended(pids: set[int]) -> None:
    for _ in range(600):
        if not any(runs(pid) for pid in pids):
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"of {pids} some outlive the service")


@pytest.fixture
def service(tiny_starter: Path, tmp_path: Path) -> Iterator[ServiceProcess]:
    with service_process(tiny_starter, tmp_path, f"sqlite:///{tmp_path}/service.db") as one:
        yield one


async def test_told_to_stop_under_load_it_says_so_ends_what_runs_and_fails_nothing_else(
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
        stream = stub.StreamTagVideos()  # a call that runs for as long as we like
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
            while True:
                streamed.append((await stream.read()).tagging.video_id)
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
        assert set(streamed) <= {"s1", "s2", "s3"}  # those that had been read, and none is an error
        await watch.code()
    assert await asyncio.to_thread(service.wait) == 0
    assert "Traceback" not in service.log
    assert "never retrieved" not in service.log


def _streamed(video_id: str) -> pb.StreamTagVideosRequest:
    return pb.StreamTagVideosRequest(request=pb.TagVideoRequest(video_id=video_id, title="a cat"))
