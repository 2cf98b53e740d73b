"""The service on a real port, over a small bundle and a real database."""

import asyncio
import json
import logging
import re
import shutil
import sys
import threading
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from prometheus_client.parser import text_string_to_metric_families
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.errors import ArtifactNotFoundError, InvalidConfigError, OutputExistsError, OverloadedError
from tagging.maintenance.add_tags import add_tags
from tagging.manifest import read_labelled
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tagging.service.admin.export_feedback import export_feedback
from tagging.service.calls.requests import TagRequest, TagResponse
from tagging.service.calls.videos import VideoCalls
from tagging.service.config import ObserveConfig, ServiceConfig, with_address
from tagging.service.observe.metrics import SERVICE, Metrics
from tagging.service.server import serving
from tagging.types import VideoRef
from tests.support.clocks import NOW
from tests.support.paths import REPOSITORY
from tests.support.polling import settled_value, wait_until_async

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True)
class Client:
    stub: Any
    channel: grpc.aio.Channel
    bundle: Path
    config: ServiceConfig
    port: int

    async def tag(self, video_id: str, title: str = "", **said: Any) -> pb.TagVideoResponse:
        answer = await self.stub.TagVideo(pb.TagVideoRequest(video_id=video_id, title=title, **said))
        assert isinstance(answer, pb.TagVideoResponse)
        return answer

    async def names(self, video_id: str, title: str) -> list[str]:
        return [tag.name for tag in (await self.tag(video_id, title, options=EVERYTHING)).tags]


EVERYTHING = pb.TagVideoOptions(max_tags=50, min_confidence=0.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def config(tmp_path: Path, tiny_starter: Path, unseen_corpus: Path) -> ServiceConfig:
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    shutil.copytree(tiny_starter, bundles / "one")
    return ServiceConfig.model_validate(
        {
            "listen": {"address": "127.0.0.1:0"},
            "bundles": str(bundles),
            "database": {"url": f"sqlite:///{tmp_path}/service.db"},
            "sources": {"folders": [str(unseen_corpus.parent)]},
            "follow_s": 0.1,
            "drain_s": 5.0,
            "observe": {"metrics": {"listen": None}},
        }
    )


@asynccontextmanager
async def running(config: ServiceConfig) -> AsyncIterator[Client]:
    assert config.bundles is not None
    bundle = config.bundles / "one"
    async with serving(bundle, config) as service:  # noqa: SIM117 - the service outlives its client
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel:
            yield Client(rpc.TaggingServiceStub(channel), channel, bundle, config, service.port)


@pytest.fixture
async def client(config: ServiceConfig) -> AsyncIterator[Client]:
    async with running(config) as one:
        yield one


@asynccontextmanager
async def refused(code: grpc.StatusCode, reason: str) -> AsyncIterator[list[str]]:
    """The call ends with this status; the message is appended to what is yielded."""
    told: list[str] = []
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        yield told
    assert raised.value.code() == code, raised.value.details()
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == reason
    told.append(raised.value.details() or "")


async def test_an_answer_is_what_the_pipeline_says(client: Client, unseen_corpus: Path) -> None:
    rows = [json.loads(line) for line in unseen_corpus.read_text().splitlines()][:3]
    with load_tagger(client.bundle) as tagger:
        for row in rows:
            uri = str(unseen_corpus.parent / row["uri"])
            select = tagger.selection(50, None, 0.0)
            want = tagger.tag(VideoRef(row["video_id"], uri, row["title"]), select)
            got = await client.tag(row["video_id"], row["title"], uri=uri, options=EVERYTHING)
            assert [(tag.id, tag.name) for tag in got.tags] == [(tag.tag_id, tag.name) for tag in want.tags]
            confidences = [tag.confidence for tag in want.tags]
            assert [tag.confidence for tag in got.tags] == pytest.approx(confidences, abs=1e-5)
            modalities = [f"MODALITY_{modality.upper()}" for modality in want.modalities]
            assert [pb.Modality.Name(one) for one in got.modalities] == modalities
            assert got.bundle_version == want.bundle_version
            content = (unseen_corpus.parent / row["uri"]).read_bytes()
            sent = await client.tag("sent", row["title"], content=content, options=EVERYTHING)
            assert [tag.id for tag in sent.tags] == [tag.id for tag in got.tags]
            assert sent.content_hash == got.content_hash


async def test_the_same_call_again_is_answered_from_the_store_also_by_the_next_process(config: ServiceConfig) -> None:
    async with running(config) as client:
        first = await client.tag("v1", "a dog barks")
        again = await client.tag("v1", "a dog barks")
        assert (first.from_store, again.from_store) == (False, True)
        assert again.tags == first.tags
        assert not (await client.tag("v1", "a cat purrs")).from_store  # other content
        assert not (await client.tag("v1", "a dog barks", options=EVERYTHING)).from_store  # other limits
    async with running(config) as client:
        assert (await client.tag("v1", "a dog barks")).tagged_at == first.tagged_at
        stored = await client.stub.GetTagging(pb.GetTaggingRequest(video_id="v1", content_hash=first.content_hash))
        assert stored.tagging.content_hash == first.content_hash
        async with refused(grpc.StatusCode.NOT_FOUND, "UNKNOWN_ID"):
            await client.stub.GetTagging(pb.GetTaggingRequest(video_id="nobody"))


async def test_many_that_ask_for_the_same_at_once_are_answered_alike(client: Client) -> None:
    answers = await asyncio.gather(*(client.tag("v1", "a dog barks") for _ in range(20)))
    assert len({answer.tagged_at.ToNanoseconds() for answer in answers}) == 1
    assert sum(not answer.from_store for answer in answers) == 1


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ({}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ({"uri": "/etc/passwd"}, grpc.StatusCode.PERMISSION_DENIED, "SOURCE_NOT_ALLOWED"),
        ({"uri": "https://example.com/a.mp4"}, grpc.StatusCode.PERMISSION_DENIED, "SOURCE_NOT_ALLOWED"),
        ({"content": b"no media"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_MEDIA"),
        ({"title": "x", "options": {"precision": 0.9}}, grpc.StatusCode.FAILED_PRECONDITION, "INVALID_SELECTION"),
    ],
)
async def test_what_cannot_be_tagged_is_one_clear_status(
    client: Client, said: dict[str, Any], code: grpc.StatusCode, reason: str
) -> None:
    async with refused(code, reason) as told:
        await client.tag("v1", **said)
    assert told[0]
    assert (await client.tag("v2", "a dog")).tags  # and the service goes on


async def test_a_stream_answers_each_request_and_tells_what_failed(client: Client) -> None:
    titles = ["a dog", "", "a cat", "a car", "a dog"]

    async def requests() -> AsyncIterator[pb.StreamTagVideosRequest]:
        for place, title in enumerate(titles):
            yield pb.StreamTagVideosRequest(request=pb.TagVideoRequest(video_id=f"v{place}", title=title))

    got = {one.index: one async for one in client.stub.StreamTagVideos(requests())}
    assert sorted(got) == [0, 1, 2, 3, 4]
    assert {index: one.WhichOneof("outcome") for index, one in got.items()} == {
        0: "tagging", 1: "error", 2: "tagging", 3: "tagging", 4: "tagging"
    }  # fmt: skip
    assert got[1].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert all(one.video_id == f"v{index}" for index, one in got.items())


async def test_what_nobody_foresaw_of_one_video_ends_no_stream_and_what_was_not_taken_on_is_counted(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
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
        for place, title in enumerate(["bad", "a dog", "late", "a cat"]):
            yield pb.StreamTagVideosRequest(request=pb.TagVideoRequest(video_id=f"v{place}", title=title))

    monkeypatch.setattr(VideoCalls, "tag", fails)
    monkeypatch.setattr(Metrics, "rejected", lambda _, error: counted.append(error))
    got = {one.index: one async for one in client.stub.StreamTagVideos(requests())}
    codes = {index: one.error.code for index, one in got.items() if one.HasField("error")}
    assert codes == {
        0: grpc.StatusCode.INTERNAL.value[0], 2: grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    }  # fmt: skip
    assert {1, 3} <= got.keys()
    assert "bad" not in got[0].error.message
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError]
    assert any(isinstance(error, OverloadedError) for error in counted)


async def test_a_stream_reads_no_more_than_it_can_hold(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, read = threading.Event(), 0
    tag_read = Tagger.tag_read

    def held(self: Tagger, *args: Any) -> Any:
        go_on.wait(60)
        return tag_read(self, *args)

    async def many() -> AsyncIterator[pb.StreamTagVideosRequest]:
        nonlocal read
        for read in range(1, 301):
            yield pb.StreamTagVideosRequest(request=pb.TagVideoRequest(video_id=f"v{read}", description="d" * 100_000))

    monkeypatch.setattr(Tagger, "tag_read", held)
    call = client.stub.StreamTagVideos(many())
    await wait_until_async(lambda: read >= 8)
    assert await settled_value(lambda: read) < 300  # calls in flight, and what the windows of HTTP/2 hold
    go_on.set()
    assert len([one async for one in call]) == 300


async def test_a_tag_is_created_found_renamed_merged_hidden_and_taken_back(client: Client) -> None:
    stub = client.stub
    assert "fnord" not in await client.names("v1", "a fnord at night")
    made = await stub.CreateTag(pb.CreateTagRequest(name="fnord", aliases=["phnord"]))
    assert [one.kind for one in made.edits] == [pb.TAG_EDIT_KIND_CREATE, pb.TAG_EDIT_KIND_ADD_ALIAS]
    assert "fnord" in await client.names("v2", "a fnord at night")
    assert "fnord" in await client.names("v3", "a phnord at night")
    async with refused(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
        await stub.CreateTag(pb.CreateTagRequest(name="PHNORD"))
    await stub.UpdateTag(pb.UpdateTagRequest(tag_id=made.tag.id, name="Fnords"))
    assert "Fnords" in await client.names("v4", "a fnord at night")
    other = await stub.CreateTag(pb.CreateTagRequest(name="quux"))
    merged = await stub.MergeTags(pb.MergeTagsRequest(target_id=made.tag.id, source_ids=[other.tag.id]))
    assert "quux" in merged.tag.aliases
    assert "Fnords" in await client.names("v5", "a quux")
    hidden = await stub.UpdateTag(pb.UpdateTagRequest(tag_id=made.tag.id, status=pb.TAG_STATUS_HIDDEN))
    assert hidden.tag.status == pb.TAG_STATUS_HIDDEN
    assert "Fnords" not in await client.names("v6", "a quux")
    assert "Fnords" not in await client.names("v5", "a quux")  # nor in the stored answer
    [edit] = hidden.edits
    undone = await stub.UndoTagEdit(pb.UndoTagEditRequest(number=edit.number))
    assert undone.edit.undoes == edit.number
    assert (await stub.UndoTagEdit(pb.UndoTagEditRequest(number=edit.number))).edit.number == undone.edit.number
    assert "Fnords" in await client.names("v7", "a quux")
    edits = (await stub.ListTagEdits(pb.ListTagEditsRequest())).edits
    assert [one.number for one in edits] == list(range(undone.edit.number, 0, -1))
    assert [one.undone_by for one in edits if one.number == edit.number] == [undone.edit.number]


async def test_a_stored_answer_is_given_under_the_tags_of_today_and_so_is_it_judged(client: Client) -> None:
    stub = client.stub
    one = (await stub.CreateTag(pb.CreateTagRequest(name="fnord"))).tag
    other = (await stub.CreateTag(pb.CreateTagRequest(name="quux"))).tag
    assert {"fnord", "quux"} <= set(await client.names("v1", "a fnord and a quux"))
    merged = await stub.MergeTags(pb.MergeTagsRequest(target_id=one.id, source_ids=[other.id]))
    again = await client.tag("v1", "a fnord and a quux", options=EVERYTHING)
    assert again.from_store
    ids = [tag.id for tag in again.tags]
    assert (ids.count(one.id), ids.count(other.id)) == (1, 0)
    for accepted in (one.id, other.id):  # who has the answer of before says so in its words
        await stub.SubmitFeedback(pb.SubmitFeedbackRequest(video_id="v1", accepted_tag_ids=[accepted]))
    undone = await stub.UndoTagEdit(pb.UndoTagEditRequest(number=merged.edits[0].number))
    assert {tag.id: tag.last_edit for tag in undone.tags} == dict.fromkeys((one.id, other.id), undone.edit.number)
    assert {"fnord", "quux"} <= set(await client.names("v1", "a fnord and a quux"))


async def test_tags_are_listed_page_by_page_each_once(client: Client) -> None:
    await client.stub.CreateTag(pb.CreateTagRequest(name="fnord"))
    names, token = list[str](), ""
    while True:
        page = await client.stub.ListTags(pb.ListTagsRequest(page_size=3, page_token=token))
        assert len(page.tags) <= 3
        names += [tag.name for tag in page.tags]
        token = page.next_page_token
        if not token:
            break
    with load_tagger(client.bundle) as tagger:
        assert sorted(names) == sorted([*tagger.catalog.names, "fnord"])
    some = await client.stub.ListTags(pb.ListTagsRequest(text="FNO"))
    assert [tag.name for tag in some.tags] == ["fnord"]
    for wrong in (pb.ListTagsRequest(page_token="x"), pb.ListTagsRequest(page_token=page.next_page_token + "e30=")):
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await client.stub.ListTags(wrong)


async def test_two_services_on_one_database_see_each_others_tags_and_videos(config: ServiceConfig) -> None:
    async with running(config) as one, running(config) as other:
        await one.stub.CreateTag(pb.CreateTagRequest(name="fnord"))
        await one.stub.AddLabelledVideo(pb.AddLabelledVideoRequest(video_id="l1", title="zxcv asdf", tags=["fnord"]))
        for turn in range(100):
            if "fnord" in await other.names(f"v{turn}", "zxcv asdf"):
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail("the other service never saw the video")
        made = await asyncio.gather(
            *(
                (one if place % 2 else other).stub.CreateTag(pb.CreateTagRequest(name=f"made {place}"))
                for place in range(10)
            )
        )
        numbers = [edit.number for answer in made for edit in answer.edits]
        assert sorted(numbers) == list(range(2, 12))


async def test_what_one_service_has_acknowledged_holds_for_calls_about_labelled_videos_of_the_other(
    config: ServiceConfig,
) -> None:
    slow = config.model_copy(update={"follow_s": 3600.0})
    async with running(slow) as one, running(slow) as other:
        await one.stub.CreateTag(pb.CreateTagRequest(name="fnord"))
        voter = pb.AddLabelledVideoRequest(video_id="l1", title="zxcv asdf", tags=["fnord"])
        assert not (await other.stub.AddLabelledVideo(voter)).unknown_tags
        assert (await one.stub.RemoveLabelledVideo(pb.RemoveLabelledVideoRequest(video_id="l1"))).removed
        assert "fnord" not in await one.names("v1", "zxcv asdf")


async def test_labelled_videos_vote_until_they_are_removed_and_outlive_the_process(config: ServiceConfig) -> None:
    async with running(config) as client:
        added = await client.stub.AddLabelledVideo(
            pb.AddLabelledVideoRequest(video_id="l1", title="zxcv asdf", tags=["Dog", "no such tag"])
        )
        assert (len(added.tag_ids), list(added.unknown_tags)) == (1, ["no such tag"])
        assert "dog" in await client.names("v1", "zxcv asdf")
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await client.stub.AddLabelledVideo(pb.AddLabelledVideoRequest(video_id="l2", title="x", tags=["nope"]))
    async with running(config) as client:
        assert "dog" in await client.names("v2", "zxcv asdf")
        removed = await client.stub.RemoveLabelledVideo(pb.RemoveLabelledVideoRequest(video_id="l1"))
        assert removed.removed
        assert "dog" not in await client.names("v3", "zxcv asdf")
        assert not (await client.stub.RemoveLabelledVideo(pb.RemoveLabelledVideoRequest(video_id="l1"))).removed


async def test_a_labelled_video_is_removed_also_where_the_active_bundle_has_none_of_its_tags(client: Client) -> None:
    assert client.config.bundles is not None
    add_tags(client.bundle, ["fnord"], client.config.bundles / "two", created=NOW)
    remove = pb.RemoveLabelledVideoRequest(video_id="l1")
    await client.stub.ActivateBundle(pb.ActivateBundleRequest(folder="two"))
    await client.stub.AddLabelledVideo(pb.AddLabelledVideoRequest(video_id="l1", title="zxcv asdf", tags=["fnord"]))
    assert "fnord" in await client.names("v1", "zxcv asdf")
    await client.stub.ActivateBundle(pb.ActivateBundleRequest(folder="one"))
    assert [(await client.stub.RemoveLabelledVideo(remove)).removed for _ in range(2)] == [True, False]
    await client.stub.ActivateBundle(pb.ActivateBundleRequest(folder="two"))
    assert "fnord" not in await client.names("v2", "zxcv asdf")


async def test_feedback_is_stored_once(client: Client) -> None:
    answer = await client.tag("v1", "a dog and a cat")
    first = answer.tags[0].id
    said = pb.SubmitFeedbackRequest(video_id="v1", accepted_tag_ids=[first], added_tags=["fnord"], feedback_id="f1")
    stored = await client.stub.SubmitFeedback(said)
    assert (stored.feedback_id, stored.bundle_version) == ("f1", answer.bundle_version)
    assert await client.stub.SubmitFeedback(said) == stored
    said.added_tags.append("quux")
    async with refused(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
        await client.stub.SubmitFeedback(said)
    async with refused(grpc.StatusCode.NOT_FOUND, "UNKNOWN_ID"):
        await client.stub.SubmitFeedback(pb.SubmitFeedbackRequest(video_id="v2", accepted_tag_ids=[first]))
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await client.stub.SubmitFeedback(pb.SubmitFeedbackRequest(video_id="v1", accepted_tag_ids=["0" * 16]))


async def test_feedback_that_is_sent_again_is_the_same_whatever_became_of_tags_and_bundles(client: Client) -> None:
    assert client.config.bundles is not None
    answer = await client.tag("v1", "a dog and a cat")
    said = pb.SubmitFeedbackRequest(
        video_id="v1",
        accepted_tag_ids=[answer.tags[0].id],
        added_tags=["fnord", "fnord"],
        feedback_id="\U0001f600" * 128,
    )
    stored = await client.stub.SubmitFeedback(said)
    await client.stub.CreateTag(pb.CreateTagRequest(name="fnord"))
    add_tags(client.bundle, ["quux"], client.config.bundles / "two", created=NOW)
    await client.stub.ActivateBundle(pb.ActivateBundleRequest(folder="two"))
    assert (await client.tag("v1", "a dog and a cat")).bundle_version != answer.bundle_version
    assert await client.stub.SubmitFeedback(said) == stored
    said.bundle_version = answer.bundle_version
    assert await client.stub.SubmitFeedback(said) == stored
    said.rejected_tag_ids.append(answer.tags[1].id)
    async with refused(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
        await client.stub.SubmitFeedback(said)


async def test_feedback_becomes_a_manifest_to_train_from(client: Client, tmp_path: Path) -> None:
    answers = [await client.tag(f"v{n}", "a dog and a cat", uploader_id="u") for n in range(3)]
    first, second = (tag for tag in answers[0].tags[:2])

    async def say(video_id: str, **said: Any) -> None:
        await client.stub.SubmitFeedback(pb.SubmitFeedbackRequest(video_id=video_id, **said))

    await say("v0", accepted_tag_ids=[first.id], rejected_tag_ids=[second.id], added_tags=["fnord"])
    await say("v1", rejected_tag_ids=[first.id])
    await say("v2", accepted_tag_ids=[first.id])
    await say("v2", rejected_tag_ids=[first.id], added_tags=["quux"])  # the last word counts
    report = await export_feedback(client.config.database, tmp_path / "out.jsonl")
    assert (report.feedback, report.videos, report.tags, report.rejected, report.without_tags) == (4, 2, 3, 2, 1)
    rows = list(read_labelled([tmp_path / "out.jsonl"], {}))
    assert [(row.video.video_id, row.tags) for row in rows] == [("v0", (first.name, "fnord")), ("v2", ("quux",))]
    assert (rows[0].video.title, rows[0].video.uploader_id) == ("a dog and a cat", "u")
    with pytest.raises(OutputExistsError):
        await export_feedback(client.config.database, tmp_path / "out.jsonl")


async def test_bundles_are_switched_and_switched_back_under_load_with_no_failed_call(client: Client) -> None:
    assert client.config.bundles is not None
    add_tags(client.bundle, ["fnord"], client.config.bundles / "two", created=NOW)
    stop, switched_over, answered, late = asyncio.Event(), asyncio.Event(), list[str](), list[str]()

    async def load(worker: int) -> None:
        while not stop.is_set():
            is_late = switched_over.is_set()
            answer = await client.tag(f"w{worker}-{len(answered)}", "a dog")
            answered.append(answer.bundle_version)
            late.extend([answer.bundle_version] if is_late else [])

    workers = [asyncio.create_task(load(worker)) for worker in range(4)]
    first = (await client.stub.GetBundle(pb.GetBundleRequest())).active.version
    switched = await client.stub.ActivateBundle(pb.ActivateBundleRequest(folder="two"))
    assert switched.previous.version == first
    assert "fnord" in await client.names("v1", "a fnord")
    switched_over.set()
    await wait_until_async(lambda: len(late) >= 20)
    assert set(late) == {switched.active.version}
    back = await client.stub.ActivateBundle(pb.ActivateBundleRequest(version=first))
    assert back.active.version == first
    assert "fnord" not in await client.names("v2", "a fnord")
    stop.set()
    await asyncio.gather(*workers)
    assert set(answered) == {first, switched.active.version}
    async with refused(grpc.StatusCode.NOT_FOUND, "ARTIFACT_NOT_FOUND"):
        await client.stub.ActivateBundle(pb.ActivateBundleRequest(folder="three"))
    (client.config.bundles / "two" / "catalog.parquet").write_bytes(b"damaged")
    shutil.copytree(client.config.bundles / "two", client.config.bundles / "four")
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "ARTIFACT_CORRUPT"):
        await client.stub.ActivateBundle(pb.ActivateBundleRequest(folder="four"))
    assert (await client.tag("v3", "a dog")).bundle_version == first


async def test_a_shadow_bundle_tags_what_the_active_one_answers_and_its_churn_is_told(client: Client) -> None:
    assert client.config.bundles is not None
    add_tags(client.bundle, ["fnord"], client.config.bundles / "two", created=NOW)
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "CONFLICT"):
        await client.stub.GetChurn(pb.GetChurnRequest())
    set_shadow = await client.stub.ShadowBundle(pb.ShadowBundleRequest(folder="two"))
    for place, title in enumerate(["a dog", "a fnord", "a cat"]):
        await client.tag(f"v{place}", title, options=EVERYTHING)
    for _ in range(100):
        churn = await client.stub.GetChurn(pb.GetChurnRequest())
        if churn.compared == 3:
            break
        await asyncio.sleep(0.05)
    assert (churn.compared, churn.same, churn.shadow_failures) == (3, 2, 0)
    assert [(tag.name, tag.gained, tag.lost) for tag in churn.tags] == [("fnord", 1, 0)]
    assert churn.mean_shadow_tags - churn.mean_tags == pytest.approx(1 / 3)
    shadowed = pb.GetTaggingRequest(video_id="v1", bundle_version=set_shadow.shadow.version)
    assert "fnord" in [tag.name for tag in (await client.stub.GetTagging(shadowed)).tagging.tags]
    stored = (await client.stub.GetTagging(pb.GetTaggingRequest(video_id="v1"))).tagging
    assert "fnord" not in [tag.name for tag in stored.tags]
    assert not (await client.stub.ShadowBundle(pb.ShadowBundleRequest())).HasField("shadow")


async def test_health_says_what_is(config: ServiceConfig) -> None:
    async with running(config) as client:
        health: Any = health_pb2_grpc.HealthStub(client.channel)
        for name in ("", SERVICE):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_service_that_cannot_start_says_why(config: ServiceConfig, tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFoundError):
        async with serving(tmp_path / "nothing", config):
            pass
    async with running(config) as client:
        taken = with_address(client.config.listen, f"127.0.0.1:{client.port}")
        with pytest.raises(InvalidConfigError, match="cannot listen at"):
            async with serving(client.bundle, client.config.model_copy(update={"listen": taken})):
                pass
    open_to_all = with_address(config.listen, "0.0.0.0:0")
    with pytest.raises(InvalidConfigError, match="nobody would be asked who calls"):
        async with serving(tmp_path, config.model_copy(update={"listen": open_to_all})):
            pass
    with pytest.raises(InvalidConfigError, match="is no HOST:PORT"):
        with_address(config.listen, "nowhere")


async def test_the_readmes_client_says_what_the_service_answers(client: Client) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    [example] = [block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "TagVideo" in block]
    assert "127.0.0.1:50051" in example
    program = example.replace("50051", str(client.port))
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, wrong = await run.communicate()
    assert run.returncode == 0, wrong
    answer = await client.tag("clip-17", "How to tune a guitar")
    assert answer.from_store
    assert told.decode().splitlines() == [f"{tag.confidence:.2f}  {tag.name}" for tag in answer.tags]


async def test_reflection_tells_the_whole_proto(client: Client) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{client.port}") as channel:

        def described() -> list[str]:
            database = ProtoReflectionDescriptorDatabase(channel)
            service = DescriptorPool(database).FindServiceByName(SERVICE)
            return sorted(method.name for method in service.methods)

        names = await asyncio.to_thread(described)
    assert names == sorted(method.name for method in pb.DESCRIPTOR.services_by_name["TaggingService"].methods)


async def test_the_metrics_of_a_service_are_those_of_what_it_does(
    config: ServiceConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tagging")
    observed = ObserveConfig.model_validate({"metrics": {"listen": "127.0.0.1:0"}})
    async with running(config.model_copy(update={"observe": observed})) as client:
        answer = await client.tag("v1", "a dog barks", options=EVERYTHING)
        [port] = [vars(record)["metrics_port"] for record in caplog.records if hasattr(record, "metrics_port")]

        def scraped() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
                families = list(text_string_to_metric_families(response.read().decode()))
            return {(one.name, frozenset(one.labels.items())): one.value for of in families for one in of.samples}

        found = await asyncio.to_thread(scraped)
    for name, labels, value in (
        ("tagging_serving", {}, 1),
        ("tagging_connections", {}, 1),
        ("tagging_connections_allowed", {}, config.listen.connections),
        ("tagging_videos_total", {"outcome": "tagged"}, 1),
        ("tagging_request_seconds_count", {"method": "TagVideo", "code": "OK"}, 1),
        ("tagging_stage_seconds_count", {"stage": "store"}, 2),
        ("tagging_bundle_info", {"role": "active", "version": answer.bundle_version}, 1),
    ):
        assert found[name, frozenset(labels.items())] == value, name
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
