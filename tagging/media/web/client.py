"""HTTP client: downloads a web address into a file, with limits on size, time and redirects, and with retries.

The command line and the service share it. They differ in the allowed addresses (`is_allowed`, the network), in their
limits, and in the number of tries: the service leaves retries to its callers. Every redirect is checked like a new
address.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from itertools import count
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
from tagging.media.web.network import Connections
from tagging.media.web.retries import TRANSIENT_STATUSES, Retries, parse_retry_after
from tagging.media.web.threads import run_in_thread
from tagging.media.web.urls import WebAddress, redirected

logger = logging.getLogger(__name__)

Headers = dict[bytes, bytes]  # keys in lower case

AT_ONCE = 1 << 20  # bytes per write to the file
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """Limits of one download, and the configuration keys that set them, for hints."""

    max_bytes: int
    timeout_s: float  # for the whole download with all its tries
    idle_timeout_s: float  # without a byte
    redirects: int
    max_bytes_key: str
    timeout_key: str


class _TransientError(Exception):
    """A failure of one try after which another may succeed."""

    def __init__(self, error: BackendUnavailableError, retry_after_s: float = 0.0) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after_s = retry_after_s


class WebClient:
    """Downloads web addresses. Many downloads may run at once; each request has a connection of its own."""

    def __init__(
        self,
        limits: DownloadLimits,
        connections: Connections,
        is_allowed: Callable[[WebAddress], bool],
        retries: Retries,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = limits
        self._connections = connections
        self._is_allowed = is_allowed
        self._retries = retries
        self._sleep = sleep

    async def download(self, address: WebAddress, file: IO[bytes]) -> None:
        """Write the content of an address to an empty file.

        Raises SourceNotAllowedError (also for a redirect, and for a host at an address that is not allowed),
        MediaNotFoundError, MediaTooBigError, InvalidMediaError (compressed), BackendUnavailableError (after the last
        try: no connection, no response in time, a broken one, or a status that asks to retry) and
        OutputUnwritableError. No message contains the target of a redirect, the content of a response, the address of
        a name, or credentials.
        """
        limits = self._limits
        try:
            async with asyncio.timeout(limits.timeout_s):
                await self._try(address, file)
        except TimeoutError as error:
            raise BackendUnavailableError(
                f"{address.name} was not read within {seconds(limits.timeout_s)} s",
                f"retry, or raise {limits.timeout_key}",
            ) from error

    async def _try(self, address: WebAddress, file: IO[bytes]) -> None:
        """Try until the download succeeds, fails finally, or cannot be tried again before the time is over."""
        clock = asyncio.get_running_loop().time
        end_s = clock() + self._limits.timeout_s
        for tried in count(1):
            try:
                await self._follow(address, file)
                return
            except _TransientError as failure:
                wait_s = self._retries.wait_s(tried, failure.retry_after_s)
                if wait_s is None or clock() + wait_s >= end_s:
                    raise failure.error from failure.__cause__
                logger.info("download retried", extra={"source": address.name, "tried": tried, "wait_s": wait_s})
            await self._sleep(wait_s)
            file.seek(0)
            file.truncate()

    async def _follow(self, address: WebAddress, file: IO[bytes]) -> None:
        """Follow redirects to the final response and copy its body."""
        name = address.name
        for hop in range(self._limits.redirects + 1):
            if not self._is_allowed(address):
                logger.warning("source refused", extra={"source": name, "refused": address.name, "redirects": hop})
                raise _not_allowed(name, redirected=hop > 0)
            with _failures_of(name, self._limits.idle_timeout_s):
                async with self._response(address) as response:
                    headers = {key.lower(): value for key, value in response.headers}
                    if response.status in REDIRECTS and b"location" in headers:
                        address = self._next(name, address, headers[b"location"])
                    else:
                        self._check(name, response.status, headers)
                        await self._copy(response, name, file)
                        return
        raise MediaNotFoundError(f"{name} was redirected more than {self._limits.redirects} times")

    def _next(self, name: str, address: WebAddress, location: bytes) -> WebAddress:
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
            "User-Agent": _user_agent(),
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **({"Authorization": address.authorization} if address.authorization else {}),
        }
        idle_s = self._limits.idle_timeout_s
        timeouts = {"connect": idle_s, "read": idle_s, "write": idle_s}
        async with (
            self._connections.open(address, url) as connection,
            connection.stream("GET", url, headers=headers, extensions={"timeout": timeouts}) as response,
        ):
            yield response

    def _check(self, name: str, status: int, headers: Headers) -> None:
        """Check status and headers of the final response, before its body is read."""
        if status in TRANSIENT_STATUSES:
            retry_after = headers.get(b"retry-after", b"").decode("latin-1")
            raise _TransientError(
                BackendUnavailableError(f"{name} answered {status}, expected 200", "retry later"),
                parse_retry_after(retry_after, datetime.now(UTC)),
            )
        if status != 200:
            raise MediaNotFoundError(f"{name} answered {status}, expected 200")
        if headers.get(b"content-encoding", b"").strip().lower() not in (b"", b"identity"):
            raise InvalidMediaError(f"{name} is sent compressed, expected the identity encoding")
        length = headers.get(b"content-length", b"")
        if length.isdigit():
            self._check_bytes(name, int(length))

    def _check_bytes(self, name: str, size: int) -> None:
        if size > self._limits.max_bytes:
            raise MediaTooBigError(
                f"{name} has {size} bytes or more, expected at most {self._limits.max_bytes}",
                f"raise {self._limits.max_bytes_key} to allow more",
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


@contextmanager
def _failures_of(name: str, idle_timeout_s: float) -> Iterator[None]:
    """Turn the errors of httpcore2 into errors of this package."""
    try:
        yield
    except httpcore2.TimeoutException as error:
        failure = BackendUnavailableError(f"no data from {name} for {seconds(idle_timeout_s)} s", "retry later")
        raise _TransientError(failure) from error
    except (httpcore2.NetworkError, httpcore2.ProxyError) as error:
        kind = "TLS connection" if isinstance(error.__cause__, ssl.SSLError) else "connection"
        failure = BackendUnavailableError(f"no {kind} to the host of {name}", "retry later")
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):  # a certificate does not change within seconds
            raise failure from error
        raise _TransientError(failure) from error
    except httpcore2.ProtocolError as error:
        failure = BackendUnavailableError(f"the response of {name} is truncated or not HTTP", "retry later")
        raise _TransientError(failure) from error


@cache
def _user_agent() -> str:
    return f"videotag/{version('videotag')}"


def _not_allowed(name: str, *, redirected: bool) -> SourceNotAllowedError:
    if redirected:
        return SourceNotAllowedError(f"{name} is redirected to an address that is not allowed")
    return SourceNotAllowedError(f"the host of {name} is not allowed", "ask the operator to add it to sources.origins")
