"""Media of a request: opens the uri or holds the content that was sent, and hashes the bytes."""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext

from tagging.media.source import OpenFile
from tagging.media.web.threads import run_in_thread
from tagging.pipeline.stages import Stages
from tagging.service.sources.sources import Sources

CHUNK = 1 << 20  # bytes


def open_media(
    sources: Sources, uri: str | None, content: bytes | None, stages: Stages
) -> AbstractAsyncContextManager[OpenFile | None]:
    """Open the media file of a request while the context lasts; None for a request with text only.

    Raises what Sources raises.
    """
    if content is not None:
        return sources.spool(content)
    return nullcontext() if uri is None else _open(sources, uri, stages)


async def sha256_of(file: OpenFile | None) -> str | None:
    """The SHA-256 of a file's bytes, in hex; None without a file. The position of its descriptor does not change."""
    if file is None:
        return None
    digest, position = hashlib.sha256(), 0
    while chunk := await run_in_thread(lambda: os.pread(file.descriptor, CHUNK, position)):  # noqa: B023 - awaited at once
        digest.update(chunk)
        position += len(chunk)
    return digest.hexdigest()


@asynccontextmanager
async def _open(sources: Sources, uri: str, stages: Stages) -> AsyncIterator[OpenFile]:
    async with AsyncExitStack() as stack:
        with stages("source"):
            file = await stack.enter_async_context(sources.open(uri))
        yield file
