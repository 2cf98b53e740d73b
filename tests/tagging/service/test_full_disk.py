"""Full disks under a service: of its database, of copies of videos, and of its log."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.tools.load_test.service_process import service_process
from tests.support.disks import filled, tiny_disk
from tests.support.polling import wait_until_async

pytestmark = pytest.mark.anyio

MEGABYTES = 4
NEW = 5  # videos with long texts


@pytest.fixture
def disk() -> Iterator[Path]:
    """A disk for temporary files: its path is short, since sockets are among them."""
    with TemporaryDirectory(prefix="full-") as folder, tiny_disk(Path(folder) / "disk", MEGABYTES) as disk:
        yield disk


async def refusal(call: Any) -> str:
    """Expect a retryable OUTPUT_UNWRITABLE error; return its message and hint."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "OUTPUT_UNWRITABLE"
    assert any(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in status.details)
    return f"{raised.value.details()}; {info.metadata['hint']}"


def tag_request(video_id: str, **fields: Any) -> pb.TagVideoRequest:
    return pb.TagVideoRequest(video_id=video_id, title="a dog and a cat", **fields)


async def test_a_database_on_a_full_disk_refuses_writes_and_serves_reads(
    tiny_starter: Path, tmp_path: Path, disk: Path
) -> None:
    file = disk / "service.db"
    with service_process(tiny_starter, tmp_path, f"sqlite:///{file}") as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub: Any = rpc.TaggingServiceStub(channel)
            first = await stub.TagVideo(tag_request("before"))
            with filled(disk):
                refusals = list[str]()
                for number in range(NEW):
                    description = f"{number} " * 10_000  # larger than the free pages of the file
                    refusals.append(await refusal(stub.TagVideo(tag_request(f"full{number}", description=description))))
                assert all(str(file) in text and "disk" in text and "make room" in text for text in refusals)
                again = await stub.TagVideo(tag_request("before"))
                assert (again.from_store, again.tags) == (True, first.tags)
            for number in range(NEW):
                description = f"{number} " * 10_000
                assert not (await stub.TagVideo(tag_request(f"full{number}", description=description))).from_store
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert plain.execute("SELECT count(*) FROM taggings").fetchone() == (1 + NEW,)


async def test_content_without_room_for_its_copy_is_refused_and_texts_are_still_tagged(
    tiny_starter: Path, tmp_path: Path, disk: Path, unseen_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = next(unseen_corpus.parent.glob("*.mp4")).read_bytes()
    monkeypatch.setenv("TMPDIR", str(disk))
    with service_process(tiny_starter, tmp_path, f"sqlite:///{tmp_path}/service.db") as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub: Any = rpc.TaggingServiceStub(channel)
            first = await stub.TagVideo(tag_request("before", content=clip))
            with filled(disk):
                message = await refusal(stub.TagVideo(tag_request("full", content=clip)))
                assert "No space left on device" in message
                assert "TMPDIR" in message
                assert (await stub.TagVideo(tag_request("text"))).tags
            after = await stub.TagVideo(tag_request("full", content=clip))
            assert (after.from_store, after.content_hash, after.tags) == (False, first.content_hash, first.tags)


async def test_a_full_disk_under_the_log_affects_only_the_log(tiny_starter: Path, tmp_path: Path, disk: Path) -> None:
    with service_process(tiny_starter, disk, f"sqlite:///{tmp_path}/service.db") as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub: Any = rpc.TaggingServiceStub(channel)
            with filled(disk):
                for number in range(20):
                    assert (await stub.TagVideo(tag_request(f"full{number}"))).tags
            logged = len(service.log)
            assert (await stub.TagVideo(tag_request("after"))).tags
            await wait_until_async(lambda: len(service.log) > logged)  # a call is logged after its response
