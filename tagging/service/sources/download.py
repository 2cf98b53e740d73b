"""HTTP download of an allowed web address into a file, with limits on size, time and redirects.

A name is resolved once, by the code that connects, and the connection goes to the address that was checked (no DNS
rebinding). TLS still verifies the name. Every redirect is checked like a new address. Proxies of the environment are
not used: they resolve names themselves.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from typing import IO

import httpcore2

from tagging.errors import (
    BackendUnavailableError,
    InvalidMediaError,
    MediaNotFoundError,
    MediaTooBigError,
    SourceNotAllowedError,
)
from tagging.media.copies import write
from tagging.media.limits import seconds
from tagging.service.config import SourcesConfig
from tagging.service.sources.addresses import AddressPolicy, IPAddress, Resolver, is_ip
from tagging.service.sources.threads import run_in_thread
from tagging.service.sources.urls import AllowedOrigins, WebAddress, redirected

logger = logging.getLogger(__name__)

Headers = dict[bytes, str]  # keys in lower case

AT_ONCE = 1 << 20  # bytes per write to the file
TRIED = 4  # addresses tried per name, at most
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TRY_AGAIN = frozenset({408, 425, 429}) | frozenset(range(500, 600))


class Downloader:
    """Downloads web addresses. Many downloads may run at once; each has a connection of its own."""

    def __init__(
        self, config: SourcesConfig, resolve: Resolver, may_connect: AddressPolicy, ssl_context: ssl.SSLContext
    ) -> None:
        """Raises SourceNotAllowedError for an invalid origin in the configuration."""
        self._config = config
        self._origins = AllowedOrigins(config.origins)
        self._network = _CheckedNetwork(resolve, may_connect)
        self._ssl_context = ssl_context

    async def download(self, address: WebAddress, file: IO[bytes]) -> None:
        """Write the content of an address to a file.

        Raises SourceNotAllowedError (also for a redirect, and for a host at an address that is not allowed),
        MediaNotFoundError, MediaTooBigError, InvalidMediaError (compressed), BackendUnavailableError (no connection, no
        response in time, a broken one, or a status that asks to retry) and OutputUnwritableError. No message contains
        the target of a redirect, the content of a response, or the address of a name.
        """
        config, name = self._config, address.name
        try:
            async with asyncio.timeout(config.timeout_s):
                await self._follow(address, file)
        except TimeoutError as error:
            raise BackendUnavailableError(
                f"{name} was not read within {seconds(config.timeout_s)} s", "retry, or raise sources.timeout_s"
            ) from error
        except httpcore2.TimeoutException as error:
            raise BackendUnavailableError(
                f"no data from {name} for {seconds(config.idle_timeout_s)} s",
                "retry, or raise sources.idle_timeout_s",
            ) from error
        except httpcore2.NetworkError as error:
            kind = "TLS connection" if isinstance(error.__cause__, ssl.SSLError) else "connection"
            raise BackendUnavailableError(f"no {kind} to the host of {name}", "retry later") from error
        except httpcore2.ProtocolError as error:
            raise BackendUnavailableError(f"the response of {name} is truncated or not HTTP", "retry later") from error

    async def _follow(self, address: WebAddress, file: IO[bytes]) -> None:
        name = address.name
        for hop in range(self._config.redirects + 1):
            if address not in self._origins:
                logger.warning("source refused", extra={"source": name, "refused": address.name, "redirects": hop})
                raise _not_allowed(name, redirected=hop > 0)
            async with self._response(address) as response:
                headers = {key.lower(): value.decode("latin-1") for key, value in response.headers}
                if response.status in REDIRECTS and b"location" in headers:
                    address = self._next(name, address, headers[b"location"])
                else:
                    self._check(name, response.status, headers)
                    await self._copy(response, name, file)
                    return
        raise MediaNotFoundError(f"{name} was redirected more than {self._config.redirects} times")

    def _next(self, name: str, address: WebAddress, location: str) -> WebAddress:
        try:
            return redirected(address, location)
        except SourceNotAllowedError as error:
            raise _not_allowed(name, redirected=True) from error

    @asynccontextmanager
    async def _response(self, address: WebAddress) -> AsyncIterator[httpcore2.Response]:
        url = httpcore2.URL(
            scheme=address.scheme, host=address.host, port=address.port, target=f"{address.path}{address.query}"
        )
        headers: dict[bytes | str, bytes | str] = {
            "Host": address.authority,
            "User-Agent": "videotag",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        idle_s = self._config.idle_timeout_s
        timeouts = {"connect": idle_s, "read": idle_s, "write": idle_s}
        connection = httpcore2.AsyncHTTPConnection(
            origin=url.origin, ssl_context=self._ssl_context, network_backend=self._network
        )
        async with (
            connection,
            connection.stream("GET", url, headers=headers, extensions={"timeout": timeouts}) as response,
        ):
            yield response

    def _check(self, name: str, status: int, headers: Headers) -> None:
        """Check status and headers of the final response, before its body is read."""
        if status in TRY_AGAIN:
            raise BackendUnavailableError(f"{name} answered {status}, expected 200", "retry later")
        if status != 200:
            raise MediaNotFoundError(f"{name} answered {status}, expected 200")
        if headers.get(b"content-encoding", "").strip().lower() not in ("", "identity"):
            raise InvalidMediaError(f"{name} is sent compressed, expected the identity encoding")
        length = headers.get(b"content-length", "")
        if length.isdigit():
            self._check_bytes(name, int(length))

    def _check_bytes(self, name: str, size: int) -> None:
        if size > self._config.max_bytes:
            raise MediaTooBigError(
                f"{name} has {size} bytes or more, expected at most {self._config.max_bytes}",
                "raise sources.max_bytes to allow more",
            )

    async def _copy(self, response: httpcore2.Response, name: str, file: IO[bytes]) -> None:
        received = 0
        buffer = bytearray()  # a response may arrive in parts of one byte each
        async for part in response.aiter_stream():
            received += len(part)
            self._check_bytes(name, received)
            buffer += part
            if len(buffer) >= AT_ONCE:
                await run_in_thread(partial(write, file, buffer, name))
                buffer = bytearray()
        await run_in_thread(partial(write, file, buffer, name))


def _not_allowed(name: str, *, redirected: bool) -> SourceNotAllowedError:
    if redirected:
        return SourceNotAllowedError(f"{name} is redirected to an address that is not allowed")
    return SourceNotAllowedError(f"the host of {name} is not allowed", "ask the operator to add it to sources.origins")


class _CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Network backend that connects to the address it has checked, whatever the name resolves to later."""

    def __init__(self, resolve: Resolver, may_connect: AddressPolicy) -> None:
        self._resolve = resolve
        self._may_connect = may_connect
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to a checked address of the host.

        Raises SourceNotAllowedError, MediaNotFoundError, and the errors of httpcore2.
        """
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"no address of {host}")

    async def _addresses(self, host: str, port: int) -> Sequence[IPAddress]:
        """Resolve a host. All addresses must be allowed: a name with an address that is not is refused altogether."""
        try:
            addresses = [ip_address(host)] if is_ip(host) else await self._resolve(host, port)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise httpcore2.ConnectError(str(error)) from error
            raise MediaNotFoundError("the host does not exist") from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        if refused := [address for address in addresses if not self._may_connect(address)]:
            logger.warning("address refused", extra={"host": host, "addresses": [str(address) for address in refused]})
            raise SourceNotAllowedError(
                "the host has an address that is not allowed", "ask the operator to add it to sources.networks"
            )
        return addresses[:TRIED]
