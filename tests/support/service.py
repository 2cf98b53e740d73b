"""A whole service in this process, on a real port, and a client of it."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.service.config import ServiceConfig
from tagging.service.server import serving


@dataclass(frozen=True, slots=True)
class Client:
    stub: Any
    channel: grpc.aio.Channel
    bundle: Path
    config: ServiceConfig
    port: int

    async def tag(self, video_id: str, title: str = "", **fields: Any) -> pb.TagVideoResponse:
        answer = await self.stub.TagVideo(pb.TagVideoRequest(video_id=video_id, title=title, **fields))
        assert isinstance(answer, pb.TagVideoResponse)
        return answer

    async def names(self, video_id: str, title: str) -> list[str]:
        return [tag.name for tag in (await self.tag(video_id, title, options=EVERYTHING)).tags]


EVERYTHING = pb.TagVideoOptions(max_tags=50, min_confidence=0.0)


def service_config(root: Path, starter: Path, media: Path) -> ServiceConfig:
    """A configuration under `root`: a copy of the bundle `starter` in bundles/one, and a SQLite file.

    media: the folder whose files calls may name
    """
    (root / "bundles").mkdir()
    shutil.copytree(starter, root / "bundles" / "one")
    return ServiceConfig.model_validate(
        {
            "listen": {"address": "127.0.0.1:0"},
            "bundles": str(root / "bundles"),
            "database": {"url": f"sqlite:///{root}/service.db"},
            "sources": {"folders": [str(media)]},
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


@asynccontextmanager
async def refused(code: grpc.StatusCode, reason: str) -> AsyncIterator[list[str]]:
    """Expect a call to end with this status and reason; its message is appended to the yielded list."""
    messages: list[str] = []
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        yield messages
    assert raised.value.code() == code, raised.value.details()
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == reason
    messages.append(raised.value.details() or "")
