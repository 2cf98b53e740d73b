"""Both versions of the reflection protocol list the services."""

import asyncio

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from tagging.service.net.reflection import VERSIONS, add_reflection


@pytest.mark.parametrize("version", VERSIONS)
def test_the_services_are_listed(version: str) -> None:
    async def main() -> list[str]:
        server = grpc.aio.server()
        add_reflection(server, ("videotag.v1.TaggingService",))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            ask = channel.stream_stream(
                f"/{version}/ServerReflectionInfo",
                request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
            )
            [answer] = [
                answer async for answer in ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
            ]
        await server.stop(None)
        return [service.name for service in answer.list_services_response.service]

    assert set(asyncio.run(main())) == {"videotag.v1.TaggingService", *VERSIONS}
