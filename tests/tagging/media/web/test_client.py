import asyncio
import io
import os
import random
import socket
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from tagging.errors import (
    BackendUnavailableError,
    InvalidMediaError,
    MediaNotFoundError,
    MediaTooBigError,
    OutputUnwritableError,
    SourceNotAllowedError,
    VideotagError,
)
from tagging.media.web.client import DownloadLimits, WebClient
from tagging.media.web.network import AddressPolicy, CheckedNetwork, Connections
from tagging.media.web.retries import Retries
from tagging.media.web.urls import parse_web_address
from tagging.service.config import SourcesConfig
from tagging.service.sources.addresses import is_public
from tagging.service.sources.sources import web_client
from tests.support.polling import wait_until_async
from tests.support.web import Names, Script, Web, moved, only_here, page, serving

FILM = bytes(range(256)) * 2000
LOOPBACK = {"a.example": ["127.0.0.1"], "x.b.example": ["127.0.0.1"]}
LIMITS: Mapping[str, Any] = {"max_bytes": 1_000_000, "timeout_s": 20.0, "idle_timeout_s": 10.0}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def downloader(
    port: int,
    names: Names,
    *,
    scheme: str = "http",
    may_connect: AddressPolicy = only_here,
    context: ssl.SSLContext | None = None,
    **limits: Any,
) -> WebClient:
    origins = (f"{scheme}://a.example:{port}", f"{scheme}://*.b.example:{port}")
    config = SourcesConfig.model_validate({**LIMITS, "origins": origins, **limits})
    return web_client(config, CheckedNetwork(names, may_connect), context or ssl.create_default_context())


def fetched(
    pages: Mapping[str, bytes | Script],
    target: str = "/film",
    *,
    known: Mapping[str, Sequence[str]] = LOOPBACK,
    host: str = "a.example",
    may_connect: AddressPolicy = only_here,
    **limits: Any,
) -> tuple[bytes | VideotagError, Web]:
    """Download http://HOST:PORT/TARGET; return the bytes or the error, and the server with its recorded requests."""

    async def fetch() -> tuple[bytes | VideotagError, Web]:
        async with serving(pages) as web:
            file = io.BytesIO()
            try:
                address = parse_web_address(f"http://{host}:{web.port}{target}")
                await downloader(web.port, Names(known), may_connect=may_connect, **limits).download(address, file)
            except VideotagError as error:
                text = error.message + error.hint
                if not text.isprintable() or "secret" in text or "127.0.0.1" in text.replace(host, ""):
                    raise AssertionError(text) from error
                return error, web
            return file.getvalue(), web

    return asyncio.run(fetch())


def test_an_allowed_url_is_downloaded_completely() -> None:
    async def chunked(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(FILM), 50_000):
            part = FILM[start : start + 50_000]
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async def until_it_ends(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + FILM)

    for answer in (page(FILM), page(FILM, "Content-Encoding: identity"), chunked, until_it_ends):
        got, web = fetched({"/film": answer})
        assert got == FILM
        assert web.requests == [(f"a.example:{web.port}", "/film")]


@pytest.mark.parametrize("host", ["c.example", "b.example", "a.example.c.example", "localhost", "127.0.0.1", "[::1]"])
def test_a_host_that_is_not_allowed_is_not_resolved(host: str) -> None:
    got, web = fetched({"/film": page(FILM)}, host=host, known={})
    assert isinstance(got, SourceNotAllowedError)
    assert web.requests == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["::1"],
        ["0.0.0.0"],
        ["1.1.1.1", "10.0.0.1"],
    ],
)
def test_an_allowed_name_at_a_private_address_is_refused(addresses: list[str]) -> None:
    got, web = fetched({"/film": page(FILM)}, known={"a.example": addresses}, may_connect=is_public)
    assert isinstance(got, SourceNotAllowedError)
    assert not any(address in got.message + got.hint for address in addresses)
    assert web.requests == []


def test_a_connection_uses_the_checked_address_even_if_the_name_changes() -> None:
    class Rebinding(Names):
        async def __call__(self, host: str, port: int) -> Any:
            self.known = {host: ["127.0.0.1"] if not self.lookups else ["127.0.0.2"]}
            return await super().__call__(host, port)

    async def fetch() -> None:
        async with serving({"/film": page(FILM)}) as web:
            names, file = Rebinding({}), io.BytesIO()
            address = parse_web_address(f"http://a.example:{web.port}/film")
            await downloader(web.port, names).download(address, file)
            assert file.getvalue() == FILM
            assert names.lookups == ["a.example"]  # one lookup, for the connection itself
            with pytest.raises(SourceNotAllowedError):  # the next download resolves and checks again
                await downloader(web.port, names).download(address, io.BytesIO())
            assert len(web.requests) == 1

    asyncio.run(fetch())


def test_the_first_reachable_address_is_used() -> None:
    known = {"a.example": ["127.0.0.9", "127.0.0.1"]}
    got, _ = fetched({"/film": page(FILM)}, known=known, may_connect=lambda _: True)
    assert got == FILM


def test_redirects_to_allowed_urls_are_followed() -> None:
    for status in ("301 X", "302 X", "303 X", "307 X", "308 X"):
        got, web = fetched({"/film": moved("here", status), "/here": page(FILM)})
        assert got == FILM
        assert [target for _, target in web.requests] == ["/film", "/here"]


def test_a_redirect_to_another_allowed_host_sends_its_host_header() -> None:
    async def fetch() -> None:
        pages: dict[str, bytes | Script] = {"/here": page(FILM)}
        async with serving(pages) as web:
            pages["/film"] = moved(f"http://x.b.example:{web.port}/here")
            file = io.BytesIO()
            address = parse_web_address(f"http://a.example:{web.port}/film")
            await downloader(web.port, Names(LOOPBACK)).download(address, file)
            assert file.getvalue() == FILM
            assert [host for host, _ in web.requests] == [f"a.example:{web.port}", f"x.b.example:{web.port}"]

    asyncio.run(fetch())


@pytest.mark.parametrize(
    "location",
    [
        "http://c.example/film", "http://127.0.0.1/film", "http://[::1]/film", "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/", "http://localhost/",
        "file:///etc/passwd", "ftp://a.example/film", "gopher://a.example/", "https://a.example/film", "//c.example/x",
        "http://user@a.example/", "http://a.example@c.example/", "http://a.example\\@c.example/", "http:///film",
        "http://a.example./film", "data:text/plain,x", "unix:/run/docker.sock", "http://b.example/", "\\\\c.example\\x",
    ],
)  # fmt: skip
def test_a_redirect_to_a_url_that_is_not_allowed_is_refused(location: str) -> None:
    got, web = fetched({"/film": moved(location)})
    assert isinstance(got, SourceNotAllowedError)
    assert len(web.requests) == 1
    assert "169.254" not in got.message
    assert "c.example" not in got.message


def test_a_redirect_to_a_private_address_is_refused_even_if_its_host_is_allowed() -> None:
    async def fetch() -> None:
        pages: dict[str, bytes | Script] = {"/here": page(FILM)}
        async with serving(pages) as web:
            pages["/film"] = moved(f"http://x.b.example:{web.port}/here")
            address = parse_web_address(f"http://a.example:{web.port}/film")
            names = Names({**LOOPBACK, "x.b.example": ["10.0.0.1"]})
            with pytest.raises(SourceNotAllowedError):
                await downloader(web.port, names).download(address, io.BytesIO())
            assert len(web.requests) == 1

    asyncio.run(fetch())


def test_the_number_of_redirects_is_limited() -> None:
    got, web = fetched({"/film": moved("/film")}, redirects=4)
    assert isinstance(got, MediaNotFoundError)
    assert len(web.requests) == 5
    got, _ = fetched({"/film": moved("/here"), "/here": page(FILM)}, redirects=0)
    assert isinstance(got, MediaNotFoundError)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (page(b"secret", status="404 secret"), MediaNotFoundError),
        (page(b"secret", status="403 secret"), MediaNotFoundError),
        (page(b"", status="204 No Content"), MediaNotFoundError),
        (page(b"secret", status="206 Partial Content"), MediaNotFoundError),
        (page(b"secret", status="302 Found"), MediaNotFoundError),
        (page(b"secret", status="429 secret"), BackendUnavailableError),
        (page(b"secret", status="503 secret"), BackendUnavailableError),
        (page(b"secret", "Content-Encoding: gzip"), InvalidMediaError),
        (page(b"secret", "Content-Encoding: br, identity"), InvalidMediaError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n6\r\nsecret\r\n0", BackendUnavailableError),
        (page(b"secret", length=1_000_001), MediaTooBigError),
        (page(b"secret", length=10**19), MediaTooBigError),
        (page(b"secret", length=7), BackendUnavailableError),
        (page(b"secret", "Content-Length: 5"), BackendUnavailableError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nsecret", BackendUnavailableError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n", BackendUnavailableError),
        (b"secret\r\n\r\n", BackendUnavailableError),
        (b"HTTP/1.1 200 OK\r\nX: " + bytes(200_000).replace(b"\0", b"x"), BackendUnavailableError),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nsecret", BackendUnavailableError),
        (b"", BackendUnavailableError),
        (b"\x16\x03\x01secret", BackendUnavailableError),
    ],
)  # fmt: skip
def test_every_other_response_is_an_error_that_quotes_none_of_it(answer: bytes, error: type[VideotagError]) -> None:
    got, _ = fetched({"/film": answer})
    assert type(got) is error


def test_the_body_is_read_up_to_its_content_length() -> None:
    got, _ = fetched({"/film": page(FILM, length=10)})
    assert got == FILM[:10]


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_an_endless_body_is_stopped_at_the_byte_limit(head: bytes) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head)
        part = bytes(10_000)
        while True:
            writer.write(b"2710\r\n%b\r\n" % part if b"chunked" in head else part)
            await writer.drain()
            sent += len(part)

    got, _ = fetched({"/film": endless})
    assert isinstance(got, MediaTooBigError)
    assert sent < 20_000_000  # no more than the buffers of the sockets


async def silent(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(1000)


async def stops(writer: asyncio.StreamWriter) -> None:
    writer.write(page(FILM)[:500])
    await asyncio.sleep(1000)


def drips(head: bytes, drop: bytes) -> Script:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.01)

    return script


@pytest.mark.parametrize("script", [silent, stops])
def test_a_silent_server_is_given_up_after_the_idle_timeout(script: Script) -> None:
    got, _ = fetched({"/film": script}, idle_timeout_s=0.1)
    assert isinstance(got, BackendUnavailableError)
    assert "no data from" in got.message


@pytest.mark.parametrize(
    "script",
    [
        drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", b"x"),
        drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_a_slow_server_is_given_up_after_the_total_timeout(script: Script) -> None:
    got, _ = fetched({"/film": script}, timeout_s=0.3)
    assert isinstance(got, BackendUnavailableError)
    assert r"within 0.3 s" in got.message


def test_a_hanging_resolver_times_out_and_an_unknown_name_is_not_found() -> None:
    class Hanging(Names):
        async def __call__(self, host: str, port: int) -> Any:
            await asyncio.sleep(1000)

    class Failing(Names):
        def __init__(self, error: OSError) -> None:
            super().__init__({})
            self.error = error

        async def __call__(self, host: str, port: int) -> Any:
            raise self.error

    for names, want in (
        (Hanging({}), BackendUnavailableError),
        (Failing(socket.gaierror(socket.EAI_NONAME, "secret")), MediaNotFoundError),
        (Failing(socket.gaierror(socket.EAI_AGAIN, "secret")), BackendUnavailableError),
        (Failing(OSError("secret")), BackendUnavailableError),
        (Names({"a.example": []}), BackendUnavailableError),
    ):
        loader = downloader(80, names, timeout_s=0.1)
        with pytest.raises(VideotagError) as caught:
            asyncio.run(loader.download(parse_web_address("http://a.example:80/x"), io.BytesIO()))
        assert type(caught.value) is want
        assert "secret" not in caught.value.message


def test_an_unreachable_server_is_a_retryable_error() -> None:
    async def fetch() -> None:
        async with serving({}) as web:
            port = web.port
        with pytest.raises(BackendUnavailableError):
            await downloader(port, Names(LOOPBACK)).download(
                parse_web_address(f"http://a.example:{port}/x"), io.BytesIO()
            )

    asyncio.run(fetch())


def test_tls_verifies_the_name_and_connects_to_the_checked_address(authority: trustme.CA) -> None:
    async def fetch(certified: str, trusted: bool) -> tuple[bytes, Web]:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(certified).configure_cert(server)
        client = ssl.create_default_context()
        if trusted:
            authority.configure_trust(client)
        async with serving({"/film": page(FILM)}, server) as web:
            file = io.BytesIO()
            loader = downloader(web.port, Names(LOOPBACK), scheme="https", context=client)
            await loader.download(parse_web_address(f"https://a.example:{web.port}/film"), file)
            return file.getvalue(), web

    got, web = asyncio.run(fetch("a.example", trusted=True))
    assert got == FILM
    assert web.names == ["a.example"]
    assert web.requests == [(f"a.example:{web.port}", "/film")]
    for certified, trusted in (("a.example", False), ("b.example", True), ("127.0.0.1", True)):
        with pytest.raises(BackendUnavailableError, match="no TLS connection"):
            asyncio.run(fetch(certified, trusted))


def test_a_full_disk_is_an_error_of_its_own() -> None:
    async def fetch() -> None:
        async with serving({"/film": page(FILM)}) as web:
            with (
                Path("/dev/full").open("wb", buffering=0) as full,
                pytest.raises(OutputUnwritableError, match="No space"),
            ):
                address = parse_web_address(f"http://a.example:{web.port}/film")
                await downloader(web.port, Names(LOOPBACK)).download(address, full)

    asyncio.run(fetch())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_a_cancelled_download_leaves_nothing_open() -> None:
    async def fetch() -> None:
        async with serving({"/film": drips(page(FILM)[:1000], b"x")}) as web:
            loader = downloader(web.port, Names(LOOPBACK))
            address = parse_web_address(f"http://a.example:{web.port}/film")
            before = descriptors()
            for wait_s in (0.0, 0.001, 0.005, 0.02, 0.05):
                task = asyncio.ensure_future(loader.download(address, io.BytesIO()))
                await asyncio.sleep(wait_s)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await wait_until_async(lambda: descriptors() <= before)  # the server closes its ends later

    asyncio.run(fetch())


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    got, web = fetched({"/film": page(FILM)})
    assert got == FILM
    assert len(web.requests) == 1


def test_concurrent_downloads_are_independent(authority: trustme.CA) -> None:
    pages = {f"/{n}": page(bytes([n]) * 300_000) for n in range(30)}

    async def fetch() -> None:
        async with serving(pages) as web:
            loader = downloader(web.port, Names(LOOPBACK))

            async def download(n: int) -> bytes:
                file = io.BytesIO()
                await loader.download(parse_web_address(f"http://a.example:{web.port}/{n}"), file)
                return file.getvalue()

            got = await asyncio.gather(*(download(n) for n in range(30)))
            assert got == [bytes([n]) * 300_000 for n in range(30)]

    asyncio.run(fetch())


def waits_of(answer: bytes, timeout_s: float = 100.0) -> tuple[VideotagError, list[float], int]:
    """Download a page that always fails. Return the error, the waits, which take no time, and the count of requests."""

    async def fetch() -> tuple[VideotagError, list[float], int]:
        waits: list[float] = []

        async def sleep(wait_s: float) -> None:
            waits.append(wait_s)

        async with serving({"/film": answer}) as web:
            limits = DownloadLimits(1_000_000, timeout_s, 10.0, 3, "media.max_bytes", "media.decode_timeout_s")
            connections = Connections(CheckedNetwork(Names(LOOPBACK), only_here), ssl.create_default_context())
            client = WebClient(limits, connections, lambda _: True, Retries(random.Random(3), tries=4), sleep)
            with pytest.raises(VideotagError) as caught:
                await client.download(parse_web_address(f"http://a.example:{web.port}/film"), io.BytesIO())
            return caught.value, waits, len(web.requests)

    return asyncio.run(fetch())


def test_a_transient_failure_is_retried_with_growing_waits() -> None:
    error, waits, requests = waits_of(page(b"", status="503 Busy"))
    assert isinstance(error, BackendUnavailableError)
    assert requests == 4
    assert [0.5 <= wait_s / 2**n <= 1 for n, wait_s in enumerate(waits)] == [True] * 3


def test_the_client_waits_as_long_as_the_server_asks_but_not_beyond_its_time() -> None:
    _, waits, requests = waits_of(page(b"", "Retry-After: 25", status="429 Too Many Requests"))
    assert (waits, requests) == ([25.0] * 3, 4)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    _, waits, requests = waits_of(page(b"", f"Retry-After: {date}", status="503 Busy"))
    assert requests == 4
    assert all(55 < wait_s <= 60 for wait_s in waits)
    error, waits, requests = waits_of(page(b"", "Retry-After: 101", status="503 Busy"))
    assert isinstance(error, BackendUnavailableError)
    assert (waits, requests) == ([], 1)


@pytest.mark.parametrize("status", ["401 X", "403 X", "404 X", "410 X", "204 X"])
def test_a_final_failure_is_not_retried(status: str) -> None:
    error, waits, requests = waits_of(page(b"", "Retry-After: 1", status=status))
    assert isinstance(error, MediaNotFoundError)
    assert (waits, requests) == ([], 1)


def test_a_redirect_in_utf8_is_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /\xc3\xbcn\xc3\xaf\r\nContent-Length: 0\r\n\r\n"
    got, _ = fetched({"/film": answer, "/%C3%BCn%C3%AF": page(FILM)})
    assert got == FILM
