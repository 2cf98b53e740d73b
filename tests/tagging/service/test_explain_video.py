"""ExplainVideo of a running service: what it explains, whom it makes wait, and what it refuses."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.config.root import SelectConfig
from tagging.inspection.explanation import Inspection
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.tagger import Tagger
from tagging.service.calls import explanations as calls
from tagging.service.clients.tokens import new_token
from tagging.service.config import ServiceConfig
from tests.support.drawn_inspections import fixed_inspection
from tests.support.polling import wait_until_async
from tests.support.service import Client, refused, running

pytestmark = pytest.mark.anyio


async def explain(client: Client, *why: str, **subject: Any) -> pb.ExplainVideoResponse:
    answer = await client.stub.ExplainVideo(pb.ExplainVideoRequest(why=why, **subject))
    assert isinstance(answer, pb.ExplainVideoResponse)
    return answer


def titled(title: str, **fields: Any) -> pb.TagVideoRequest:
    return pb.TagVideoRequest(video_id="v1", title=title, **fields)


class Slow:
    """An inspection that enters a stage whenever the test lets it, until the test finishes it."""

    def __init__(self) -> None:
        self.began, self.goes_on = threading.Semaphore(0), threading.Semaphore(0)
        self.is_finished = threading.Event()
        self.stages = 0

    def __call__(self, tagger: Tagger, video: ReadVideo, selection: SelectConfig, queries: Sequence[str]) -> Inspection:
        self.began.release()
        while True:
            assert self.goes_on.acquire(timeout=60)
            with tagger.stages("rank"):
                self.stages += 1
            if self.is_finished.is_set():
                return fixed_inspection(tagger, video, selection, queries)

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.began.acquire, True, 60)

    async def go_on_until(self, is_enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_enough():
                self.goes_on.release()
                await asyncio.sleep(0.01)

    def finish(self) -> None:
        self.is_finished.set()
        self.goes_on.release(1000)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    inspection = Slow()
    monkeypatch.setattr(calls, "inspect_video", inspection)
    yield inspection
    inspection.finish()


async def test_videos_are_tagged_while_a_video_is_explained(shared_client: Client, slow: Slow) -> None:
    explaining = asyncio.create_task(explain(shared_client, video=titled("a dog")))
    await slow.has_begun()
    tagging = asyncio.create_task(shared_client.tag("during", "a cat during an explanation"))
    made = shared_client.stub.CreateTag(pb.CreateTagRequest(name="made during an explanation"))
    await slow.go_on_until(lambda: tagging.done() and made.done())
    assert (await tagging).tags
    assert (await made).tag.id
    assert not explaining.done()
    slow.finish()
    assert (await explaining).explanation.video.title == "a dog"


async def test_a_deadline_ends_an_explanation_at_its_next_stage(shared_client: Client, slow: Slow) -> None:
    call = shared_client.stub.ExplainVideo(pb.ExplainVideoRequest(video=titled("a dog")), timeout=0.5)
    await slow.has_begun()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    slow.finish()
    assert (await shared_client.tag("after", "a cat after an explanation")).tags
    assert slow.stages == 0


async def test_an_explanation_whose_caller_is_gone_ends_at_its_next_stage(shared_client: Client, slow: Slow) -> None:
    call = shared_client.stub.ExplainVideo(pb.ExplainVideoRequest(video=titled("a dog")))
    await slow.has_begun()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.sleep(0.1)
    slow.finish()
    assert (await shared_client.tag("gone", "a cat after a call that is gone")).tags
    assert slow.stages == 0


async def test_more_explanations_than_may_wait_are_refused(service_config: ServiceConfig, slow: Slow) -> None:
    limits = service_config.explanations.model_copy(update={"waiting": 2})
    async with running(service_config.model_copy(update={"explanations": limits})) as client:
        first = asyncio.create_task(explain(client, video=titled("a dog")))
        await slow.has_begun()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{client.port}") as channel:
            stub: Any = rpc.TaggingServiceStub(channel)
            more = [stub.ExplainVideo(pb.ExplainVideoRequest(video=titled("a cat"))) for _ in range(5)]
            await wait_until_async(lambda: sum(call.done() for call in more) == 3)
            codes = [await call.code() for call in more if call.done()]
            assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 3
            tagging = asyncio.create_task(client.tag("meanwhile", "a cat"))
            await slow.go_on_until(tagging.done)
            assert (await tagging).tags  # videos to tag have an admission of their own
            slow.finish()
            await first
            for call in more:
                if await call.code() is grpc.StatusCode.OK:
                    assert (await call).explanation.video.title == "a cat"


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "inspect_video", fixed_inspection)


@pytest.mark.usefixtures("fixed")
async def test_a_stored_answer_is_explained_with_its_inputs_and_options(
    shared_client: Client, unseen_corpus: Path
) -> None:
    clip = next(unseen_corpus.parent.rglob("*.mp4"))
    options = pb.TagVideoOptions(max_tags=7, min_confidence=0.25)
    await shared_client.tag("kept", "a clip", uri=str(clip), description="of a clip", uploader_id="u", options=options)
    tagged = await shared_client.stub.GetTagging(pb.GetTaggingRequest(video_id="kept"))
    answer = await explain(shared_client, "dog", video_id="kept")
    video = answer.explanation.video
    assert (video.video_id, video.title, video.description, video.uploader_id) == ("kept", "a clip", "of a clip", "u")
    assert video.uri == str(clip)
    assert answer.explanation.looked_at.HasField("duration")
    assert (answer.explanation.max_tags, answer.explanation.min_confidence) == (7, 0.25)
    assert answer.content_hash == tagged.tagging.content_hash
    assert answer.bundle_version == tagged.tagging.bundle_version
    assert [question.query for question in answer.questions] == ["dog"]
    assert not answer.explanation.looked_at.warnings


@pytest.mark.usefixtures("fixed")
async def test_changes_since_the_stored_answer_are_stated(client: Client, unseen_corpus: Path) -> None:
    first, second = sorted(unseen_corpus.parent.rglob("*.mp4"))[:2]
    [folder] = client.config.sources.folders
    clip = Path(folder) / "changes.mp4"
    try:
        clip.write_bytes(first.read_bytes())
        await client.tag("changed", "a clip", uri=str(clip))
        clip.write_bytes(second.read_bytes())
        await client.stub.CreateTag(pb.CreateTagRequest(name="fnord"))
        answer = await explain(client, video_id="changed")
    finally:
        clip.unlink()
    assert list(answer.explanation.looked_at.warnings) == [
        "the media have changed since the stored answer",
        "tags were edited after the stored answer",
    ]
    assert answer.last_edit == 1


@pytest.mark.usefixtures("fixed")
async def test_a_stored_answer_without_its_media_cannot_be_explained(
    shared_client: Client, unseen_corpus: Path
) -> None:
    content = next(unseen_corpus.parent.rglob("*.mp4")).read_bytes()
    await shared_client.tag("sent", "a clip", content=content)
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "CONFLICT") as messages:
        await explain(shared_client, video_id="sent")
    assert "were sent as content, which is not stored" in messages[0]
    video = pb.TagVideoRequest(video_id="sent", title="a clip", content=content)
    answer = await explain(shared_client, video=video)
    assert answer.explanation.looked_at.HasField("duration")
    assert not answer.explanation.video.HasField("uri")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (None, None),
        ("/srv/a?b.mp4", "/srv/a?b.mp4"),
        ("https://me:secret@h/a.mp4?X-Signature=secret#t=1", "https://***@h/a.mp4"),
        ("HTTPS://h/a.mp4?X-Signature=secret", "HTTPS://h/a.mp4"),
    ],
)
def test_a_uri_is_shown_without_its_secrets(uri: str | None, shown: str | None) -> None:
    assert calls.public_uri(uri) == shown


async def test_an_explanation_stores_nothing(shared_client: Client) -> None:
    await explain(shared_client, video=pb.TagVideoRequest(video_id="unstored", title="a dog"))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shared_client.stub.GetTagging(pb.GetTaggingRequest(video_id="unstored"))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (pb.ExplainVideoRequest(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        (pb.ExplainVideoRequest(video_id="never tagged"), grpc.StatusCode.NOT_FOUND, "UNKNOWN_ID"),
        (
            pb.ExplainVideoRequest(video=titled("a", uri="/etc/passwd")),
            grpc.StatusCode.PERMISSION_DENIED,
            "SOURCE_NOT_ALLOWED",
        ),
        (
            pb.ExplainVideoRequest(video=pb.TagVideoRequest(video_id="v", content=b"no media")),
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_MEDIA",
        ),
        (
            pb.ExplainVideoRequest(video=titled("a", options=pb.TagVideoOptions(precision=0.9))),
            grpc.StatusCode.FAILED_PRECONDITION,
            "INVALID_SELECTION",
        ),
    ],
)
async def test_what_cannot_be_explained_is_one_clear_status(
    shared_client: Client, request_: pb.ExplainVideoRequest, code: grpc.StatusCode, reason: str
) -> None:
    async with refused(code, reason) as messages:
        await shared_client.stub.ExplainVideo(request_)
    assert messages[0]


async def test_clients_that_tag_and_editors_may_ask_and_others_may_not(
    service_config: ServiceConfig, tmp_path: Path
) -> None:
    tokens = {role: new_token() for role in ("tag", "label", "edit", "admin")}
    clients = "\n".join(
        f'[clients.{role}]\ntokens_sha256 = ["{digest}"]\nroles = ["{role}"]' for role, (_, digest) in tokens.items()
    )
    (tmp_path / "clients.toml").write_text(clients)
    listen = service_config.listen.model_copy(update={"clients": tmp_path / "clients.toml"})
    async with running(service_config.model_copy(update={"listen": listen})) as client:

        async def code(role: str) -> grpc.StatusCode:
            metadata = (("authorization", f"Bearer {tokens[role][0]}"),)
            call = client.stub.ExplainVideo(pb.ExplainVideoRequest(video=titled("a dog")), metadata=metadata)
            found: grpc.StatusCode = await call.code()
            return found

        ok, denied = grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED
        assert {role: await code(role) for role in tokens} == {"tag": ok, "edit": ok, "label": denied, "admin": denied}
