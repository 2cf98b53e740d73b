"""Feedback to a running service: idempotent across edits and bundles, and exported to train from."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import OutputExistsError
from tagging.maintenance.add_tags import add_tags
from tagging.manifests.read import read_labelled
from tagging.service.admin.export_feedback import export_feedback
from tests.support.clocks import NOW
from tests.support.service import Client, refused

pytestmark = pytest.mark.anyio


async def test_repeated_feedback_is_recognised_after_changes_of_tags_and_bundles(client: Client) -> None:
    assert client.config.bundles is not None
    answer = await client.tag("v1", "a dog and a cat")
    feedback = pb.SubmitFeedbackRequest(
        video_id="v1",
        accepted_tag_ids=[answer.tags[0].id],
        added_tags=["fnord", "fnord"],
        feedback_id="\U0001f600" * 128,
    )
    stored = await client.stub.SubmitFeedback(feedback)
    await client.stub.CreateTag(pb.CreateTagRequest(name="fnord"))
    add_tags(client.bundle, ["quux"], client.config.bundles / "two", created=NOW)
    await client.stub.ActivateBundle(pb.ActivateBundleRequest(folder="two"))
    assert (await client.tag("v1", "a dog and a cat")).bundle_version != answer.bundle_version
    assert await client.stub.SubmitFeedback(feedback) == stored
    feedback.bundle_version = answer.bundle_version
    assert await client.stub.SubmitFeedback(feedback) == stored
    feedback.rejected_tag_ids.append(answer.tags[1].id)
    async with refused(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"):
        await client.stub.SubmitFeedback(feedback)


async def test_feedback_becomes_a_manifest_to_train_from(client: Client, tmp_path: Path) -> None:
    answers = [await client.tag(f"v{n}", "a dog and a cat", uploader_id="u") for n in range(3)]
    first, second = (tag for tag in answers[0].tags[:2])

    async def submit(video_id: str, **fields: Any) -> None:
        await client.stub.SubmitFeedback(pb.SubmitFeedbackRequest(video_id=video_id, **fields))

    await submit("v0", accepted_tag_ids=[first.id], rejected_tag_ids=[second.id], added_tags=["fnord"])
    await submit("v1", rejected_tag_ids=[first.id])
    await submit("v2", accepted_tag_ids=[first.id])
    await submit("v2", rejected_tag_ids=[first.id], added_tags=["quux"])  # the latest feedback counts
    report = await export_feedback(client.config.database, tmp_path / "out.jsonl")
    assert (report.feedback, report.videos, report.tags, report.rejected, report.without_tags) == (4, 2, 3, 2, 1)
    rows = list(read_labelled([tmp_path / "out.jsonl"], {}))
    assert [(row.video.video_id, row.tags) for row in rows] == [("v0", (first.name, "fnord")), ("v2", ("quux",))]
    assert (rows[0].video.title, rows[0].video.uploader_id) == ("a dog and a cat", "u")
    with pytest.raises(OutputExistsError):
        await export_feedback(client.config.database, tmp_path / "out.jsonl")
