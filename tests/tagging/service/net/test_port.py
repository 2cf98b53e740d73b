"""The service's port: a public address needs authentication, and clients cannot exceed the limits of the server."""

import asyncio
import contextlib
import logging
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from pydantic import ValidationError
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc

from tagging.errors import InvalidConfigError
from tagging.service.clients.clients import Clients, ListedClients, OpenClients
from tagging.service.clients.quotas import Quotas
from tagging.service.clients.roles import SERVICE, TAGGING
from tagging.service.clients.tokens import new_token
from tagging.service.config import ListenConfig, TlsConfig
from tagging.service.interceptors.auth import AuthInterceptor
from tagging.service.interceptors.errors import ErrorInterceptor
from tagging.service.net import port as port_module
from tagging.service.net.port import load_clients, open_port, server_options
from tagging.service.net.tls import ServerCertificate
from tests.support.polling import TIMEOUT_S

TOKEN, TOKEN_SHA256 = new_token()
LOCAL = ["127.0.0.1:0", "127.8.9.10:1", "localhost:50051", "[::1]:1", "[::ffff:127.0.0.1]:1"]
REACHABLE = [
    "0.0.0.0:1",
    "[::]:1",
    "10.0.0.1:1",
    "[::ffff:10.0.0.1]:1",
    "example.com:1",
    "localhost.example.com:1",
    "127.1:1",
    "127.0.0.1.example.com:1",
    "0:1",
    "LOCALHOST:1",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "clients.toml"
    path.write_text(f'[clients.tagger]\ntokens_sha256 = ["{TOKEN_SHA256}"]\nroles = ["tag"]\n')
    return path


@pytest.mark.parametrize("address", LOCAL)
def test_a_loopback_address_needs_no_protection(address: str) -> None:
    assert isinstance(load_clients(ListenConfig(address=address)), OpenClients)


@pytest.mark.parametrize("tls", [None, TlsConfig(certificate=Path("c"), key=Path("k"))])
@pytest.mark.parametrize("address", REACHABLE)
def test_a_public_address_without_protection_is_one_error(address: str, tls: TlsConfig | None) -> None:
    with pytest.raises(InvalidConfigError, match=re.escape(address)) as refused:
        load_clients(ListenConfig(address=address, tls=tls))
    assert "listen.clients, or listen.tls with client_ca" in refused.value.hint


def test_a_public_address_needs_client_certificates_or_a_clients_file(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = TlsConfig(certificate=Path("c"), key=Path("k"), client_ca=Path("ca"))
    assert isinstance(load_clients(ListenConfig(address="0.0.0.0:1", tls=tls)), OpenClients)
    assert isinstance(load_clients(ListenConfig(address="0.0.0.0:1", tls=tls, clients=path)), ListedClients)
    assert not caplog.records
    assert isinstance(load_clients(ListenConfig(address="0.0.0.0:1", clients=path)), ListedClients)
    assert "tokens are sent without encryption" in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "",
        "50051",
        ":50051",
        "localhost",
        "localhost:",
        "a b:1",
        "::1:1",
        "[::1]",
        "x:1\n",
        "127.0.0.1:99999",
        "unix:",
        "unix:a",
    ],
)
def test_an_address_that_is_not_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        ListenConfig(address=address)


async def tag(request: pb.TagVideoRequest, _: Any) -> pb.TagVideoResponse:
    if request.video_id == "wait":
        await asyncio.Event().wait()
    return pb.TagVideoResponse(video_id=request.video_id)


@asynccontextmanager
async def serving(config: ListenConfig, clients: Clients | None = None) -> AsyncIterator[int]:
    """Yield the port."""
    clients = clients or load_clients(config)
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor(), AuthInterceptor(TAGGING, clients, Quotas())], options=server_options(config)
    )
    handlers: dict[str, Any] = {
        "TagVideo": grpc.unary_unary_rpc_method_handler(
            tag, pb.TagVideoRequest.FromString, pb.TagVideoResponse.SerializeToString
        )
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    port = open_port(server, config, ServerCertificate(config.tls) if config.tls else None)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)  # the transport closes in the next round of the loop


async def status(port: int, request: bytes = b"", *metadata: tuple[str, str]) -> StatusCode:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/TagVideo")
        try:
            await call(request, timeout=30, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return StatusCode.OK


async def settled_status(port: int) -> StatusCode:
    """Return the status of a call once earlier connections are closed: until then it is UNAVAILABLE."""
    deadline = time.monotonic() + TIMEOUT_S
    while (code := await status(port)) == StatusCode.UNAVAILABLE and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return code


CONFIG = ListenConfig(address="127.0.0.1:0", message_bytes=10_000, header_bytes=4096, connections=5)


def test_a_burst_of_calls_is_queued() -> None:
    """Without a limit of its own, gRPC cancels some of more than 1,000 concurrent calls."""

    async def main() -> list[StatusCode]:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(serving(ListenConfig(address="127.0.0.1:0")))
            channels = [
                await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}", options))
                for _ in range(30)
            ]
            await asyncio.gather(*[channel.channel_ready() for channel in channels])
            methods: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = [
                channel.unary_unary(f"/{SERVICE}/TagVideo") for channel in channels
            ]
            running = [method(b"", timeout=60) for method in methods for _ in range(100)]
            return [await call.code() for call in running]

    assert set(asyncio.run(main())) == {StatusCode.OK}


def test_a_port_in_use_is_one_error() -> None:
    async def main() -> None:
        async with serving(CONFIG) as port:
            with pytest.raises(InvalidConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
                async with serving(CONFIG.model_copy(update={"address": f"127.0.0.1:{port}"})):
                    raise AssertionError("two services share a port")

    asyncio.run(main())


def test_requests_and_headers_are_limited_in_size() -> None:
    def request(size: int) -> bytes:
        return pb.TagVideoRequest(description="x" * size).SerializeToString()

    async def main() -> list[StatusCode]:
        async with serving(CONFIG) as port:
            return [
                await status(port, request(9_900)),
                await status(port, request(10_100)),
                await status(port, b"", ("x-much", "x" * 3000)),
                await status(port, b"", ("x-much", "x" * 5000)),
                await status(port),
            ]

    ok, full = StatusCode.OK, StatusCode.RESOURCE_EXHAUSTED
    assert asyncio.run(main()) == [ok, full, ok, full, ok]


def test_connections_are_limited_and_released() -> None:
    async def main() -> tuple[bool, StatusCode]:
        async with serving(CONFIG) as port:
            async with contextlib.AsyncExitStack() as held:
                for _ in range(5):
                    reader, _ = await held.enter_async_context(connected(port))
                    assert await reader.read(9)  # its settings: the connection is accepted
                async with connected(port) as (reader, _):
                    refused = not await asyncio.wait_for(reader.read(9), 30)
            return refused, await settled_status(port)

    assert asyncio.run(main()) == (True, StatusCode.OK)


# HTTP/2 frames that no gRPC client sends but an attacker may (RFC 9113, 7541).


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def text(value: bytes) -> bytes:
    """Encode an HPACK string literal without Huffman coding."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, coded = len(value) - 127, bytes([127])
    while rest >= 128:
        coded, rest = coded + bytes([rest % 128 + 128]), rest // 128
    return coded + bytes([rest]) + value


def call_with(*entries: tuple[bytes, bytes]) -> bytes:
    """Encode a call of TagVideo with an empty message, on stream 1, with additional header entries."""
    headers = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", f"/{SERVICE}/TagVideo".encode()),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *entries,
    ]
    block = b"".join(b"\0" + text(name) + text(value) for name, value in headers)
    return frame(1, 4, 1, block) + frame(0, 1, 1, b"\0\0\0\0\0")


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")


def is_answered(data: bytes) -> bool:
    """Return True if these frames end the first stream or the connection."""
    while len(data) >= 9:
        size, kind, flags, stream = int.from_bytes(data[:3], "big"), data[3], data[4], int.from_bytes(data[5:9], "big")
        if kind in (3, 7) or (stream == 1 and kind in (0, 1) and flags & 1):
            return len(data) >= 9 + size
        data = data[9 + size :]
    return False


async def exchange(port: int, frames: bytes) -> bytes:
    """Send HTTP/2 frames after the preface; return the frames of the server."""
    received = b""
    with contextlib.suppress(ConnectionError):
        async with connected(port) as (reader, writer):
            writer.write(PREFACE + frames)
            while not is_answered(received) and (part := await asyncio.wait_for(reader.read(65536), 30)):
                received += part
    return received


GOOD = f"Bearer {TOKEN}".encode()
HOSTILE = {
    "latin-1": [(b"authorization", b"Bearer \xe9" + TOKEN.encode()[1:])],
    "utf-8": [(b"authorization", f"Bearer {TOKEN[:-1]}é".encode())],
    "no utf-8": [(b"authorization", b"\xff\xfe" + GOOD)],
    "line": [(b"authorization", GOOD + b"\r\nx-role: admin")],
    "nul": [(b"authorization", GOOD + b"\0")],
    "two": [(b"authorization", GOOD), (b"authorization", GOOD)],
    "upper case": [(b"Authorization", GOOD)],
    "both cases": [(b"Authorization", GOOD), (b"authorization", b"Bearer x")],
    "in the name": [(b"authorization: " + GOOD, b"")],
    "bin": [(b"authorization-bin", b"QmVhcmVy")],
    "empty": [(b"authorization", b"")],
    "long": [(b"authorization", b"Bearer " + b"a" * 4000)],
    "many": [(b"x-%d" % number, b"x") for number in range(400)],
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers_are_refused_without_secrets_in_the_log_and_the_next_call_succeeds(
    entries: list[tuple[bytes, bytes]], path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> tuple[bytes, bytes]:
        async with serving(CONFIG.model_copy(update={"clients": path})) as port:
            return await exchange(port, call_with(*entries)), await exchange(port, call_with((b"authorization", GOOD)))

    refused, answered = asyncio.run(main())
    assert b"grpc-status\x010" not in refused
    assert b"grpc-status\x010" in answered
    output = caplog.text + str([vars(record) for record in caplog.records]) + "".join(capfd.readouterr())
    assert TOKEN[12:-2] not in output


@pytest.mark.parametrize(
    "sent",
    [
        b"\0" * 1000,
        frame(1, 4, 1, b"\xff" * 50),
        frame(1, 4, 0, b""),
        frame(4, 0, 0, b"x"),
        b"\xff\xff\xff" + b"\0" * 6,
    ],
)
def test_invalid_http_affects_only_its_own_connection(sent: bytes) -> None:
    async def main() -> StatusCode:
        async with serving(CONFIG) as port, connected(port) as (_, writer):
            writer.write(PREFACE + sent)
            return await status(port)

    assert asyncio.run(main()) == StatusCode.OK


def test_an_abandoned_call_does_not_affect_others() -> None:
    async def main() -> StatusCode:
        async with serving(CONFIG) as port:
            for size in range(0, len(call_with()), 10):
                async with connected(port) as (_, writer):
                    writer.write(PREFACE + call_with()[:size])
            return await settled_status(port)

    assert asyncio.run(main()) == StatusCode.OK


def test_many_callers_with_invalid_tokens_do_not_block_a_valid_one(path: Path) -> None:
    async def main() -> list[StatusCode]:
        config = CONFIG.model_copy(update={"clients": path, "connections": 1000})
        async with serving(config) as port:
            bad = [status(port, b"", ("authorization", f"Bearer {new_token()[0]}")) for _ in range(200)]
            good = [status(port, b"", ("authorization", f"Bearer {TOKEN}")) for _ in range(20)]
            return await asyncio.gather(*bad, *good)

    assert asyncio.run(main()) == [StatusCode.UNAUTHENTICATED] * 200 + [StatusCode.OK] * 20


def test_concurrent_calls_of_a_connection_are_limited_and_further_calls_wait_in_the_client() -> None:
    async def main() -> int:
        config = CONFIG.model_copy(update={"streams_per_connection": 3})
        async with serving(config) as port:
            async with connected(port) as (reader, writer):
                writer.write(PREFACE)
                settings = await asyncio.wait_for(reader.readexactly(9), 30)
                payload = await reader.readexactly(int.from_bytes(settings[:3], "big"))
            pairs = {
                int.from_bytes(payload[at : at + 2], "big"): int.from_bytes(payload[at + 2 : at + 6], "big")
                for at in range(0, len(payload), 6)
            }
            return pairs[3]  # SETTINGS_MAX_CONCURRENT_STREAMS

    assert asyncio.run(main()) == 3


def test_the_port_is_released_when_the_server_stops() -> None:
    async def main() -> int:
        async with serving(CONFIG) as port:
            pass
        return port

    port = asyncio.run(main())
    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port


HTTP2_START = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # the preface, and empty SETTINGS
PING = b"\0\0\x08\6\0\0\0\0\0" + b"videotag"


@pytest.mark.parametrize(("pause_s", "is_kept"), [(0.5, True), (0.0, False)])
def test_a_client_may_ping_regularly_without_calls_and_may_not_flood(
    pause_s: float, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_module, "PING_INTERVAL_S", 0.3)

    async def main() -> bool:
        async with serving(CONFIG) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HTTP2_START)
            try:
                for _ in range(8 if pause_s else 100):
                    writer.write(PING)
                    await asyncio.sleep(pause_s)
                while await asyncio.wait_for(reader.read(10_000), 1.0):
                    pass
            except TimeoutError:  # the connection is open, and all that was sent is answered
                return True
            except ConnectionError:
                return False
            finally:
                writer.close()
            return False

    assert asyncio.run(main()) is is_kept


def test_a_socket_of_this_machine_needs_no_protection_and_serves_calls(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"address": f"unix:{tmp_path}/s"})
    assert isinstance(load_clients(config), OpenClients)

    async def main() -> StatusCode:
        async with serving(config), grpc.aio.insecure_channel(f"unix:{tmp_path}/s") as channel:
            return await tagging_pb2_grpc.TaggingServiceStub(channel).TagVideo(pb.TagVideoRequest()).code()

    assert asyncio.run(main()) == StatusCode.OK
