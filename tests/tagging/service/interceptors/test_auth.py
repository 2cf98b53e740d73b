"""AuthInterceptor on a real server: authentication, roles and quotas, and the errors of refused calls."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection, reflection_pb2
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import UnauthenticatedError
from tagging.service.clients.clients import Clients, ListedClients, OpenClients
from tagging.service.clients.current import caller
from tagging.service.clients.quotas import Quotas
from tagging.service.clients.roles import REFLECTION, SERVICE, TAGGING
from tagging.service.clients.tokens import new_token
from tagging.service.interceptors.auth import HEALTH, AuthInterceptor
from tagging.service.interceptors.errors import ErrorInterceptor
from tests.support.clocks import Clock

TAGGER, TAGGER_SHA256 = new_token()
EDITOR, EDITOR_SHA256 = new_token()
FILE = f"""
[clients.tagger]
tokens_sha256 = ["{TAGGER_SHA256}"]
roles = ["tag"]
quotas = {{ calls_per_s = 2, burst_s = 1 }}

[clients.editor]
tokens_sha256 = ["{EDITOR_SHA256}"]
roles = ["edit"]
"""
TAG, STREAM, CREATE = (f"/{SERVICE}/{call}" for call in ("TagVideo", "StreamTagVideos", "CreateTag"))
INFO = f"/{REFLECTION[1]}/ServerReflectionInfo"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "clients.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


class FakeSleep:
    """A sleep that advances the clock instead of waiting, and records the delays."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.now += seconds


async def tag(request: pb.TagVideoRequest, _: Any) -> pb.TagVideoResponse:
    """Return the name of the client, as seen in a task of its own."""

    async def name() -> str:
        return caller().name

    return pb.TagVideoResponse(video_id=await asyncio.create_task(name()))


async def tag_all(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[pb.StreamTagVideosResponse]:
    async for _request in requests:
        yield pb.StreamTagVideosResponse(video_id=caller().name)


async def create(_: pb.CreateTagRequest, __: Any) -> pb.CreateTagResponse:
    return pb.CreateTagResponse()


HANDLERS: dict[str, Any] = {
    "TagVideo": grpc.unary_unary_rpc_method_handler(
        tag, pb.TagVideoRequest.FromString, pb.TagVideoResponse.SerializeToString
    ),
    "StreamTagVideos": grpc.stream_stream_rpc_method_handler(
        tag_all, pb.StreamTagVideosRequest.FromString, pb.StreamTagVideosResponse.SerializeToString
    ),
    "CreateTag": grpc.unary_unary_rpc_method_handler(
        create, pb.CreateTagRequest.FromString, pb.CreateTagResponse.SerializeToString
    ),
}


@asynccontextmanager
async def serving(clients: Clients, quotas: Quotas | None = None, sleep: Any = asyncio.sleep) -> AsyncIterator[str]:
    """Yield the address of a server with health and reflection."""
    auth = AuthInterceptor(TAGGING, clients, quotas or Quotas(Clock()), sleep)
    server = grpc.aio.server(interceptors=[ErrorInterceptor(), auth])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, HANDLERS)])
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    reflection.enable_server_reflection([SERVICE], server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


Result = tuple[StatusCode, str | None, list[bytes]]
AUTHORIZATION = "authorization"


async def call_server(address: str, call: str, *entries: str, sent: list[bytes] | None = None) -> Result:
    """Return the status code, its details and the responses.

    entries: values of the metadata key `authorization`
    """
    metadata = tuple((AUTHORIZATION, entry) for entry in entries)
    received: list[bytes] = []
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            if call in (STREAM, INFO):
                stream_call: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(call)
                async for item in stream_call(iter(sent or [b""]), timeout=30, metadata=metadata):
                    received += [item]
            else:
                unary_call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(call)
                received += [await unary_call((sent or [b""])[0], timeout=30, metadata=metadata)]
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details(), received
    return StatusCode.OK, None, received


def call_once(path: Path, call: str, *entries: str) -> Result:
    async def main() -> Result:
        async with serving(ListedClients(path)) as address:
            return await call_server(address, call, *entries)

    return asyncio.run(main())


def test_unary_and_stream_handlers_know_the_calling_client(path: Path) -> None:
    name = pb.TagVideoResponse(video_id="tagger").SerializeToString()
    assert call_once(path, TAG, f"Bearer {TAGGER}") == (StatusCode.OK, None, [name])
    name = pb.StreamTagVideosResponse(video_id="tagger").SerializeToString()
    assert call_once(path, STREAM, f"Bearer {TAGGER}") == (StatusCode.OK, None, [name])


def test_concurrent_calls_keep_their_own_clients(path: Path) -> None:
    path.write_text(FILE.replace('roles = ["edit"]', 'roles = ["tag"]').replace("calls_per_s = 2", "calls_per_s = 99"))

    async def main() -> list[Result]:
        async with serving(ListedClients(path)) as address:
            both = [call_server(address, TAG, f"Bearer {token}") for token in [TAGGER, EDITOR] * 10]
            return await asyncio.gather(*both)

    names = [pb.TagVideoResponse(video_id=name).SerializeToString() for name in ["tagger", "editor"] * 10]
    assert [received for _, __, received in asyncio.run(main())] == [[name] for name in names]


@pytest.mark.parametrize("call", [TAG, STREAM, CREATE, INFO])
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "no token"),
        (["Bearer " + new_token()[0]], "unknown token"),
        ([f"Bearer {TAGGER.swapcase()}"], "the bearer token has an invalid format"),
        ([f"Bearer {TAGGER[:-1]}{TAGGER[-1].swapcase() if TAGGER[-1].isalpha() else 'x'}"], "unknown token"),
        (["Bearer "], "'authorization' does not begin with 'Bearer '"),
        ([f"Bearer {TAGGER}", f"Bearer {EDITOR}"], "2 'authorization' entries, expected one"),
        ([f"Bearer {TAGGER}"] * 2, "2 'authorization' entries, expected one"),
    ],
)
def test_a_call_without_valid_credentials_is_refused(path: Path, call: str, entries: list[str], message: str) -> None:
    code, details, received = call_once(path, call, *entries)
    assert (code, received) == (StatusCode.UNAUTHENTICATED, [])
    # gRPC strips spaces from the ends of entries
    assert details == message or (entries == ["Bearer "] and details == "the bearer token has an invalid format")


@pytest.mark.parametrize(
    ("call", "token"), [(CREATE, TAGGER), (TAG, EDITOR), (STREAM, EDITOR)], ids=["create", "tag", "stream"]
)  # the tokens are drawn anew in each process
def test_a_call_without_the_required_role_is_forbidden(path: Path, call: str, token: str) -> None:
    code, details, received = call_once(path, call, f"Bearer {token}")
    assert (code, received) == (StatusCode.PERMISSION_DENIED, [])
    assert details is not None
    assert "has the roles" in details


def test_health_needs_no_credentials_and_reflection_does(path: Path) -> None:
    status = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING).SerializeToString()
    assert call_once(path, f"/{HEALTH}/Check") == (StatusCode.OK, None, [status])
    assert call_once(path, f"/{HEALTH}/Check", "nonsense") == (StatusCode.OK, None, [status])
    question = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()

    async def main() -> Result:
        async with serving(ListedClients(path)) as address:
            return await call_server(address, INFO, f"Bearer {EDITOR}", sent=[question])

    code, _, [answer] = asyncio.run(main())
    assert code == StatusCode.OK
    services = reflection_pb2.ServerReflectionResponse.FromString(answer).list_services_response.service
    assert SERVICE in [service.name for service in services]


@pytest.mark.parametrize("call", [f"/{SERVICE}/Else", f"/{HEALTH}/Else", f"/{HEALTH}x/Check", "/x", TAG.lower()])
def test_an_unknown_method_is_unimplemented(path: Path, call: str) -> None:
    assert call_once(path, call)[0] == StatusCode.UNIMPLEMENTED


def test_without_a_clients_file_every_call_is_allowed() -> None:
    async def main() -> list[Result]:
        async with serving(OpenClients()) as address:
            return [await call_server(address, call) for call in (TAG, STREAM, CREATE)]

    assert [code for code, _, __ in asyncio.run(main())] == [StatusCode.OK] * 3


def test_calls_over_the_quota_are_refused_and_admitted_later(path: Path) -> None:
    clock = Clock()

    async def main() -> list[StatusCode]:
        codes = []
        async with serving(ListedClients(path), Quotas(clock)) as address:
            for wait_s in [0.0, 0, 0, 0.5, 0]:
                clock.now += wait_s
                codes.append((await call_server(address, TAG, f"Bearer {TAGGER}"))[0])
        return codes

    full = StatusCode.RESOURCE_EXHAUSTED
    assert asyncio.run(main()) == [StatusCode.OK, StatusCode.OK, full, StatusCode.OK, full]


def test_messages_of_a_stream_are_counted_and_delayed(path: Path) -> None:
    clock = Clock()
    sleep = FakeSleep(clock)

    async def main() -> Result:
        async with serving(ListedClients(path), Quotas(clock), sleep) as address:
            return await call_server(address, STREAM, f"Bearer {TAGGER}", sent=[b""] * 6)

    code, _, received = asyncio.run(main())
    assert (code, len(received)) == (StatusCode.OK, 6)
    assert sleep.slept == pytest.approx([0.5] * 4)  # two calls a second, after a burst of two


def test_a_stream_ends_when_its_token_is_withdrawn(path: Path) -> None:
    clock = Clock()

    async def main() -> tuple[StatusCode, list[bytes]]:
        received: list[bytes] = []
        async with (
            serving(ListedClients(path, clock)) as address,
            grpc.aio.insecure_channel(address) as channel,
        ):
            many: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(STREAM)
            stream = many(metadata=((AUTHORIZATION, f"Bearer {TAGGER}"),), timeout=30)
            await stream.write(b"")
            received += [cast("bytes", await stream.read())]
            path.write_text(FILE.replace(TAGGER_SHA256, "0" * 64))
            clock.now += 1
            await stream.write(b"")
            return await stream.code(), received

    code, received = asyncio.run(main())
    assert (code, len(received)) == (StatusCode.UNAUTHENTICATED, 1)


def test_handlers_of_unsupported_kinds_are_rejected(caplog: pytest.LogCaptureFixture) -> None:
    async def watch(_: bytes, __: Any) -> AsyncIterator[bytes]:
        yield b"secret"

    async def main() -> StatusCode:
        server = grpc.aio.server(interceptors=[ErrorInterceptor(), AuthInterceptor(TAGGING, OpenClients(), Quotas())])
        handlers: dict[str, Any] = {"Watch": grpc.unary_stream_rpc_method_handler(watch)}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("s", handlers)])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            return (await call_server(f"127.0.0.1:{port}", "/s/Watch"))[0]
        finally:
            await server.stop(None)

    assert asyncio.run(main()) == StatusCode.INTERNAL
    assert "NotImplementedError" in caplog.text


def test_outside_of_a_call_there_is_no_client() -> None:
    with pytest.raises(LookupError):
        caller()


def test_tokens_are_never_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    other, _ = new_token()
    for token in (TAGGER, other, TAGGER[:-1]):
        for call in (TAG, CREATE, STREAM):
            call_once(path, call, f"Bearer {token}")
    assert TAGGER[10:] not in caplog.text + str([vars(record) for record in caplog.records])
    assert other not in caplog.text


def test_a_client_that_is_refused_never_reaches_the_handler(path: Path) -> None:
    class RefusesAll(OpenClients):
        def by_certificate(self, names: Any) -> Any:
            raise UnauthenticatedError("no")

    async def main() -> list[StatusCode]:
        async with serving(RefusesAll()) as address:
            return [(await call_server(address, call))[0] for call in (TAG, STREAM, CREATE, INFO)]

    assert asyncio.run(main()) == [StatusCode.UNAUTHENTICATED] * 4
