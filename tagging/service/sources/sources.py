"""Media sources: opens the `uri` or content of a request if, and only if, the operator has allowed its location.

The result is always an open file, never a name, so the file that was checked is the file that is decoded
(`DecodePool.submit` takes it). Content that was sent or downloaded is in an unnamed file, so none is left on the disk.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from os import fstat
from random import Random
from typing import IO
from urllib.parse import unquote

from tagging.errors import (
    InvalidConfigError,
    InvalidMediaError,
    MediaTooBigError,
    SourceNotAllowedError,
)
from tagging.media.copies import unnamed_file, write
from tagging.media.source import OpenFile
from tagging.media.web.client import DownloadLimits, WebClient
from tagging.media.web.network import AddressPolicy, CheckedNetwork, Connections, Resolver, resolve
from tagging.media.web.retries import Retries
from tagging.media.web.threads import run_in_thread
from tagging.media.web.urls import is_web_address, parse_web_address
from tagging.messages import shown
from tagging.service.config import SourcesConfig
from tagging.service.sources.addresses import public_or_in
from tagging.service.sources.folders import AllowedFolders
from tagging.service.sources.origins import AllowedOrigins

CONTENT = "the content"  # name of sent bytes in messages


class Sources:
    """Opens sources: `async with sources.open(uri) as file: await asyncio.wrap_future(pool.submit(file))`."""

    def __init__(
        self,
        config: SourcesConfig,
        *,
        resolve: Resolver = resolve,
        may_connect: AddressPolicy | None = None,  # None: public addresses, and config.networks
        ssl_context: ssl.SSLContext | None = None,  # None: the system's trust store
    ) -> None:
        """Raises InvalidConfigError."""
        self._config = config
        self._folders = AllowedFolders(config.folders)
        try:
            self._client = web_client(
                config,
                CheckedNetwork(resolve, may_connect or public_or_in(config.networks)),
                ssl_context or ssl.create_default_context(),
            )
        except SourceNotAllowedError as error:
            hint = "write https://host or https://host:port"
            raise InvalidConfigError(f"sources.origins: {error.message}", hint) from error

    @asynccontextmanager
    async def open(self, uri: str) -> AsyncIterator[OpenFile]:
        """Open an absolute path, file:// or http(s) address while the context lasts.

        Raises SourceNotAllowedError, MediaNotFoundError, MediaTooBigError, InvalidMediaError (no bytes, or compressed
        ones), BackendUnavailableError (a retry may help) and OutputUnwritableError (no room for a copy).
        """
        with ExitStack() as closing:
            if is_web_address(uri):
                address = parse_web_address(uri)
                name = address.name
                file = closing.enter_context(unnamed_file(name))
                await self._client.download(address, file)
            else:
                path = _path(uri)
                name = shown(path)
                file = await run_in_thread(lambda: closing.enter_context(self._folders.open(path)))
            yield self._checked(file, name)

    @asynccontextmanager
    async def spool(self, content: bytes) -> AsyncIterator[OpenFile]:
        """Write content of the caller to an unnamed file, open while the context lasts.

        Raises MediaTooBigError, InvalidMediaError and OutputUnwritableError.
        """
        with unnamed_file(CONTENT) as file:
            await run_in_thread(partial(write, file, content, CONTENT))
            yield self._checked(file, CONTENT)

    def _checked(self, file: IO[bytes], name: str) -> OpenFile:
        size = fstat(file.fileno()).st_size
        if not size:
            raise InvalidMediaError(f"{name} has 0 bytes, expected a media file")
        if size > self._config.max_bytes:
            raise MediaTooBigError(
                f"{name} has {size} bytes, expected at most {self._config.max_bytes}",
                "raise sources.max_bytes to allow more",
            )
        return OpenFile(file.fileno(), name)


def web_client(config: SourcesConfig, network: CheckedNetwork, ssl_context: ssl.SSLContext) -> WebClient:
    """Return a client for the allowed origins. Raises SourceNotAllowedError for an invalid one.

    Proxies of the environment are not used: they resolve names themselves. The client tries once: the status
    UNAVAILABLE asks the caller to retry, and a call that waits for another server would hold its place in the queue.
    """
    limits = DownloadLimits(
        max_bytes=config.max_bytes,
        timeout_s=config.timeout_s,
        idle_timeout_s=config.idle_timeout_s,
        redirects=config.redirects,
        max_bytes_key="sources.max_bytes",
        timeout_key="sources.timeout_s",
    )
    origins = AllowedOrigins(config.origins)
    return WebClient(limits, Connections(network, ssl_context), origins.__contains__, Retries(Random(), tries=1))


def _path(uri: str) -> str:
    """Return the absolute path of a path or file:// URL. Raises SourceNotAllowedError."""
    path = uri
    if uri[:7].lower() == "file://":
        path = uri[7:].removeprefix("localhost") if uri[7:].startswith("localhost/") else uri[7:]
        if "?" in path or "#" in path:  # not part of the path of a URL, but allowed in a file name
            raise SourceNotAllowedError(f"{shown(uri)} has a query or fragment", "percent-encode ? and #")
        path = unquote(path, errors="surrogateescape")  # once; the result is both checked and opened
    if not path.startswith("/"):
        raise SourceNotAllowedError(
            f"{shown(uri)} is not an absolute path or web address", "use an absolute path, or an http or https address"
        )
    return path
