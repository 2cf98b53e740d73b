"""Labelled videos of a running service: they vote until they are removed, in every process and every bundle."""

import grpc
import pytest
from videotag.v1 import tagging_pb2 as pb

from tagging.maintenance.add_tags import add_tags
from tagging.service.config import ServiceConfig
from tests.support.clocks import NOW
from tests.support.service import Client, refused, running

pytestmark = pytest.mark.anyio


async def test_labelled_videos_use_the_edits_that_another_service_acknowledged(
    service_config: ServiceConfig,
) -> None:
    slow = service_config.model_copy(update={"follow_s": 3600.0})
    async with running(slow) as first, running(slow) as second:
        await first.stub.CreateTag(pb.CreateTagRequest(name="fnord"))
        labelled = pb.AddLabelledVideoRequest(video_id="l1", title="zxcv asdf", tags=["fnord"])
        assert not (await second.stub.AddLabelledVideo(labelled)).unknown_tags
        assert (await first.stub.RemoveLabelledVideo(pb.RemoveLabelledVideoRequest(video_id="l1"))).removed
        assert "fnord" not in await first.names("v1", "zxcv asdf")


async def test_labelled_videos_vote_until_they_are_removed_also_after_a_restart(
    service_config: ServiceConfig,
) -> None:
    async with running(service_config) as client:
        added = await client.stub.AddLabelledVideo(
            pb.AddLabelledVideoRequest(video_id="l1", title="zxcv asdf", tags=["Dog", "no such tag"])
        )
        assert (len(added.tag_ids), list(added.unknown_tags)) == (1, ["no such tag"])
        assert "dog" in await client.names("v1", "zxcv asdf")
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await client.stub.AddLabelledVideo(pb.AddLabelledVideoRequest(video_id="l2", title="x", tags=["nope"]))
    async with running(service_config) as client:
        assert "dog" in await client.names("v2", "zxcv asdf")
        removed = await client.stub.RemoveLabelledVideo(pb.RemoveLabelledVideoRequest(video_id="l1"))
        assert removed.removed
        assert "dog" not in await client.names("v3", "zxcv asdf")
        assert not (await client.stub.RemoveLabelledVideo(pb.RemoveLabelledVideoRequest(video_id="l1"))).removed


async def test_a_labelled_video_is_removed_even_if_the_active_bundle_lacks_its_tags(client: Client) -> None:
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
