"""One running service, over a small bundle and a real database. The tests share it: each has video ids of its own."""

import asyncio
import json
import re
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import OverloadedError
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tagging.service.calls.requests import TagRequest, TagResponse
from tagging.service.calls.videos import VideoCalls
from tagging.service.clients.roles import SERVICE
from tagging.service.observe.metrics import Metrics
from tagging.types import VideoRef
from tests.support.paths import REPOSITORY
from tests.support.polling import settled_value, wait_until_async
from tests.support.service import EVERYTHING, Client, refused

pytestmark = pytest.mark.anyio


async def test_an_answer_equals_that_of_the_pipeline(shared_client: Client, unseen_corpus: Path) -> None:
    rows = [json.loads(line) for line in unseen_corpus.read_text().splitlines()][:3]
    with load_tagger(shared_client.bundle) as tagger:
        for row in rows:
            uri = str(unseen_corpus.parent / row["uri"])
            select = tagger.selection(50, None, 0.0)
            want = tagger.tag(VideoRef(row["video_id"], uri, row["title"]), select)
            got = await shared_client.tag(row["video_id"], row["title"], uri=uri, options=EVERYTHING)
            assert [(tag.id, tag.name) for tag in got.tags] == [(tag.tag_id, tag.name) for tag in want.tags]
            confidences = [tag.confidence for tag in want.tags]
            assert [tag.confidence for tag in got.tags] == pytest.approx(confidences, abs=1e-5)
            modalities = [f"MODALITY_{modality.upper()}" for modality in want.modalities]
            assert [pb.Modality.Name(modality) for modality in got.modalities] == modalities
            assert got.bundle_version == want.bundle_version
            content = (unseen_corpus.parent / row["uri"]).read_bytes()
            sent = await shared_client.tag("sent", row["title"], content=content, options=EVERYTHING)
            assert [tag.id for tag in sent.tags] == [tag.id for tag in got.tags]
            assert sent.content_hash == got.content_hash


async def test_concurrent_identical_calls_get_the_same_answer(shared_client: Client) -> None:
    answers = await asyncio.gather(*(shared_client.tag("many", "a dog barks") for _ in range(20)))
    assert len({answer.tagged_at.ToNanoseconds() for answer in answers}) == 1
    assert sum(not answer.from_store for answer in answers) == 1


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"uri": "/etc/passwd"}, grpc.StatusCode.PERMISSION_DENIED, "SOURCE_NOT_ALLOWED"),
        ({"uri": "https://example.com/a.mp4"}, grpc.StatusCode.PERMISSION_DENIED, "SOURCE_NOT_ALLOWED"),
        ({"content": b"no media"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_MEDIA"),
        ({"title": "x", "options": {"precision": 0.9}}, grpc.StatusCode.FAILED_PRECONDITION, "INVALID_SELECTION"),
    ],
)
async def test_a_video_that_cannot_be_tagged_is_one_clear_status(
    shared_client: Client, fields: dict[str, Any], code: grpc.StatusCode, reason: str
) -> None:
    async with refused(code, reason) as messages:
        await shared_client.tag("v1", **fields)
    assert messages[0]
    assert (await shared_client.tag("v2", "a dog")).tags  # the service continues


async def test_a_stream_answers_each_request_with_a_tagging_or_an_error(shared_client: Client) -> None:
    titles = ["a dog", "", "a cat", "a car", "a dog"]

    async def requests() -> AsyncIterator[pb.StreamTagVideosRequest]:
        for index, title in enumerate(titles):
            yield pb.StreamTagVideosRequest(request=pb.TagVideoRequest(video_id=f"v{index}", title=title))

    responses = {response.index: response async for response in shared_client.stub.StreamTagVideos(requests())}
    assert sorted(responses) == [0, 1, 2, 3, 4]
    assert {index: response.WhichOneof("outcome") for index, response in responses.items()} == {
        0: "tagging", 1: "error", 2: "tagging", 3: "tagging", 4: "tagging"
    }  # fmt: skip
    assert responses[1].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert all(response.video_id == f"v{index}" for index, response in responses.items())


async def test_an_unexpected_error_of_one_video_does_not_end_the_stream_and_rejections_are_counted(
    shared_client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tag = VideoCalls.tag
    counted: list[Exception] = []

    async def fails(self: VideoCalls, request: TagRequest) -> TagResponse:
        match request.video.title:
            case "bad":
                raise KeyError("bad")
            case "late":
                raise OverloadedError("too many", "wait", 1.0)
        return await tag(self, request)

    async def requests() -> AsyncIterator[pb.StreamTagVideosRequest]:
        for index, title in enumerate(["bad", "a dog", "late", "a cat"]):
            yield pb.StreamTagVideosRequest(request=pb.TagVideoRequest(video_id=f"v{index}", title=title))

    monkeypatch.setattr(VideoCalls, "tag", fails)
    monkeypatch.setattr(Metrics, "rejected", lambda _, error: counted.append(error))
    responses = {response.index: response async for response in shared_client.stub.StreamTagVideos(requests())}
    codes = {index: response.error.code for index, response in responses.items() if response.HasField("error")}
    assert codes == {
        0: grpc.StatusCode.INTERNAL.value[0], 2: grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    }  # fmt: skip
    assert {1, 3} <= responses.keys()
    assert "bad" not in responses[0].error.message
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError]
    assert any(isinstance(error, OverloadedError) for error in counted)


async def test_a_stream_reads_no_more_requests_than_it_can_hold(
    shared_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, read = threading.Event(), 0
    description = "d" + 99_999 * " "  # long to send, quick to read
    encode = Tagger.encode

    def blocked(self: Tagger, *args: Any) -> Any:
        release.wait(60)
        return encode(self, *args)

    async def many() -> AsyncIterator[pb.StreamTagVideosRequest]:
        nonlocal read
        for read in range(1, 121):
            yield pb.StreamTagVideosRequest(request=pb.TagVideoRequest(video_id=f"v{read}", description=description))

    monkeypatch.setattr(Tagger, "encode", blocked)
    call = shared_client.stub.StreamTagVideos(many())
    await wait_until_async(lambda: read >= 8)
    assert await settled_value(lambda: read) < 120  # calls in flight, and requests in the HTTP/2 windows
    release.set()
    assert len([response async for response in call]) == 120


async def test_feedback_is_stored_once(shared_client: Client) -> None:
    answer = await shared_client.tag("f-video", "a dog and a cat")
    first = answer.tags[0].id
    feedback = pb.SubmitFeedbackRequest(
        video_id="f-video", accepted_tag_ids=[first], added_tags=["fnord"], feedback_id="f1"
    )
    stored = await shared_client.stub.SubmitFeedback(feedback)
    assert (stored.feedback_id, stored.bundle_version) == ("f1", answer.bundle_version)
    assert await shared_client.stub.SubmitFeedback(feedback) == stored
    feedback.added_tags.append("quux")
    async with refused(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
        await shared_client.stub.SubmitFeedback(feedback)
    async with refused(grpc.StatusCode.NOT_FOUND, "UNKNOWN_ID"):
        await shared_client.stub.SubmitFeedback(pb.SubmitFeedbackRequest(video_id="untagged", accepted_tag_ids=[first]))
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await shared_client.stub.SubmitFeedback(
            pb.SubmitFeedbackRequest(video_id="f-video", accepted_tag_ids=["0" * 16])
        )


async def test_a_running_service_is_serving(shared_client: Client) -> None:
    health: Any = health_pb2_grpc.HealthStub(shared_client.channel)
    for name in ("", SERVICE):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_the_client_of_the_readme_prints_the_answer(shared_client: Client) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    [example] = [block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "TagVideo" in block]
    assert "127.0.0.1:50051" in example
    program = example.replace("50051", str(shared_client.port))
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await run.communicate()
    assert run.returncode == 0, errors
    answer = await shared_client.tag("clip-17", "How to tune a guitar")
    assert answer.from_store
    assert output.decode().splitlines() == [f"{tag.confidence:.2f}  {tag.name}" for tag in answer.tags]


async def test_reflection_describes_the_whole_service(shared_client: Client) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{shared_client.port}") as channel:

        def described() -> list[str]:
            database = ProtoReflectionDescriptorDatabase(channel)
            service = DescriptorPool(database).FindServiceByName(SERVICE)
            return sorted(method.name for method in service.methods)

        names = await asyncio.to_thread(described)
    assert names == sorted(method.name for method in pb.DESCRIPTOR.services_by_name["TaggingService"].methods)
