"""Bundles of a running service: activated under load, rolled back, and compared in shadow."""

import asyncio
import shutil

import grpc
import pytest
from videotag.v1 import tagging_pb2 as pb

from tagging.maintenance.add_tags import add_tags
from tests.support.clocks import NOW
from tests.support.polling import wait_until_async
from tests.support.service import EVERYTHING, Client, refused

pytestmark = pytest.mark.anyio


async def test_bundles_are_switched_under_load_without_a_failed_call(client: Client) -> None:
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


async def test_a_shadow_bundle_tags_the_same_videos_and_its_churn_is_reported(client: Client) -> None:
    assert client.config.bundles is not None
    add_tags(client.bundle, ["fnord"], client.config.bundles / "two", created=NOW)
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "CONFLICT"):
        await client.stub.GetChurn(pb.GetChurnRequest())
    set_shadow = await client.stub.ShadowBundle(pb.ShadowBundleRequest(folder="two"))
    for index, title in enumerate(["a dog", "a fnord", "a cat"]):
        await client.tag(f"v{index}", title, options=EVERYTHING)
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
