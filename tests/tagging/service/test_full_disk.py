"""Disks that are full under a service: its database's, that of copies of videos, that of its log."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.tools.load_test.service_process import service_process
from tests.support.disks import filled, tiny_disk

pytestmark = pytest.mark.anyio

MEGABYTES = 4


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with tiny_disk(tmp_path / "disk", MEGABYTES) as one:
        yield one


async def refusal(call: Any) -> str:
    """What a call that may be tried again is told."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "OUTPUT_UNWRITABLE"
    assert any(one.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for one in status.details)
    return f"{raised.value.details()}; {info.metadata['hint']}"


def asked(video_id: str, **said: Any) -> pb.TagVideoRequest:
    return pb.TagVideoRequest(video_id=video_id, title="a dog and a cat", **said)


async def test_a_database_on_a_full_disk_refuses_writes_and_serves_reads(
    tiny_starter: Path, tmp_path: Path, disk: Path
) -> None:
    file = disk / "service.db"
    with service_process(tiny_starter, tmp_path, f"sqlite:///{file}") as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub: Any = rpc.TaggingServiceStub(channel)
            first = await stub.TagVideo(asked("before"))
            with filled(disk):
                told = list[str]()
                for place in range(20):
                    description = f"{place} " * 10_000  # more than is free in the file
                    told.append(await refusal(stub.TagVideo(asked(f"full{place}", description=description))))
                assert all(str(file) in one and "disk" in one and "make room" in one for one in told)
                again = await stub.TagVideo(asked("before"))
                assert (again.from_store, again.tags) == (True, first.tags)
            for place in range(20):
                description = f"{place} " * 10_000
                assert not (await stub.TagVideo(asked(f"full{place}", description=description))).from_store
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert plain.execute("SELECT count(*) FROM taggings").fetchone() == (21,)


async def test_content_without_room_for_its_copy_is_refused_and_texts_are_still_tagged(
    tiny_starter: Path, tmp_path: Path, disk: Path, unseen_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = next(unseen_corpus.parent.glob("*.mp4")).read_bytes()
    monkeypatch.setenv("TMPDIR", str(disk))
    with service_process(tiny_starter, tmp_path, f"sqlite:///{tmp_path}/service.db") as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub: Any = rpc.TaggingServiceStub(channel)
            first = await stub.TagVideo(asked("before", content=clip))
            with filled(disk):
                told = await refusal(stub.TagVideo(asked("full", content=clip)))
                assert "No space left on device" in told
                assert "TMPDIR" in told
                assert (await stub.TagVideo(asked("text"))).tags
            after = await stub.TagVideo(asked("full", content=clip))
            assert (after.from_store, after.content_hash, after.tags) == (False, first.content_hash, first.tags)


async def test_a_full_disk_under_the_log_affects_only_the_log(tiny_starter: Path, tmp_path: Path, disk: Path) -> None:
    with service_process(tiny_starter, disk, f"sqlite:///{tmp_path}/service.db") as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub: Any = rpc.TaggingServiceStub(channel)
            with filled(disk):
                for place in range(50):
                    assert (await stub.TagVideo(asked(f"full{place}"))).tags
            said = len(service.log)
            assert (await stub.TagVideo(asked("after"))).tags
            assert len(service.log) > said
