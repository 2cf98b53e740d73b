"""Tag edits in a running service: they hold at once, for stored answers too, and for other services."""

import asyncio

import grpc
import pytest
from videotag.v1 import tagging_pb2 as pb

from tagging.pipeline.load import load_tagger
from tagging.service.config import ServiceConfig
from tests.support.service import EVERYTHING, Client, refused, running

pytestmark = pytest.mark.anyio


async def test_a_tag_is_created_found_renamed_merged_hidden_and_shown_again(client: Client) -> None:
    stub = client.stub
    assert "fnord" not in await client.names("v1", "a fnord at night")
    made = await stub.CreateTag(pb.CreateTagRequest(name="fnord", aliases=["phnord"]))
    assert [edit.kind for edit in made.edits] == [pb.TAG_EDIT_KIND_CREATE, pb.TAG_EDIT_KIND_ADD_ALIAS]
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
    assert [listed.number for listed in edits] == list(range(undone.edit.number, 0, -1))
    assert [listed.undone_by for listed in edits if listed.number == edit.number] == [undone.edit.number]


async def test_a_name_of_common_words_is_found_as_typed_or_the_response_says_that_it_is_not(client: Client) -> None:
    stub = client.stub
    for name in ("R", "The Who", "C++", "2024"):
        assert not (await stub.CreateTag(pb.CreateTagRequest(name=name))).warnings
        assert name in await client.names(f"as {name}", f"fnord {name} quux")
    made = await stub.CreateTag(pb.CreateTagRequest(name="us"))
    assert [warning.startswith("titles are not searched for 'us'") for warning in made.warnings] == [True]
    assert "us" not in await client.names("us", "us")
    renamed = await stub.UpdateTag(pb.UpdateTagRequest(tag_id=made.tag.id, name="Us"))
    assert not renamed.warnings
    assert "Us" in await client.names("Us", "fnord Us quux")


async def test_a_stored_answer_and_its_feedback_follow_the_current_tags(client: Client) -> None:
    stub = client.stub
    target = (await stub.CreateTag(pb.CreateTagRequest(name="fnord"))).tag
    source = (await stub.CreateTag(pb.CreateTagRequest(name="quux"))).tag
    assert {"fnord", "quux"} <= set(await client.names("v1", "a fnord and a quux"))
    merged = await stub.MergeTags(pb.MergeTagsRequest(target_id=target.id, source_ids=[source.id]))
    again = await client.tag("v1", "a fnord and a quux", options=EVERYTHING)
    assert again.from_store
    ids = [tag.id for tag in again.tags]
    assert (ids.count(target.id), ids.count(source.id)) == (1, 0)
    for accepted in (target.id, source.id):  # a client may still have the answer with the merged tag
        await stub.SubmitFeedback(pb.SubmitFeedbackRequest(video_id="v1", accepted_tag_ids=[accepted]))
    undone = await stub.UndoTagEdit(pb.UndoTagEditRequest(number=merged.edits[0].number))
    assert {tag.id: tag.last_edit for tag in undone.tags} == dict.fromkeys((target.id, source.id), undone.edit.number)
    assert {"fnord", "quux"} <= set(await client.names("v1", "a fnord and a quux"))


async def test_tags_are_listed_page_by_page_without_repetition(client: Client) -> None:
    await client.stub.CreateTag(pb.CreateTagRequest(name="fnord"))
    names, token = list[str](), ""
    for _ in range(1000):
        page = await client.stub.ListTags(pb.ListTagsRequest(page_size=3, page_token=token))
        assert len(page.tags) <= 3
        names += [tag.name for tag in page.tags]
        token = page.next_page_token
        if not token:
            break
    with load_tagger(client.bundle) as tagger:
        assert sorted(names) == sorted([*tagger.models.recall_stage.catalog.names, "fnord"])
    matching = await client.stub.ListTags(pb.ListTagsRequest(text="FNO"))
    assert [tag.name for tag in matching.tags] == ["fnord"]
    for wrong in (pb.ListTagsRequest(page_token="x"), pb.ListTagsRequest(page_token=page.next_page_token + "e30=")):
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await client.stub.ListTags(wrong)


async def test_two_services_on_one_database_see_each_others_tags_and_videos(service_config: ServiceConfig) -> None:
    async with running(service_config) as first, running(service_config) as second:
        await first.stub.CreateTag(pb.CreateTagRequest(name="fnord"))
        await first.stub.AddLabelledVideo(pb.AddLabelledVideoRequest(video_id="l1", title="zxcv asdf", tags=["fnord"]))
        for turn in range(100):
            if "fnord" in await second.names(f"v{turn}", "zxcv asdf"):
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail("the other service never saw the video")
        made = await asyncio.gather(
            *(
                (first if number % 2 else second).stub.CreateTag(pb.CreateTagRequest(name=f"made {number}"))
                for number in range(10)
            )
        )
        numbers = [edit.number for answer in made for edit in answer.edits]
        assert sorted(numbers) == list(range(2, 12))
