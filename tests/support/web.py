"""A web server on loopback that sends the bytes of a test, and a name resolver for it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from tagging.media.web.network import IPAddress

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Web:
    port: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)  # header Host and target of each request
    names: list[str | None] = field(default_factory=list)  # server names (SNI) that TLS clients sent


@asynccontextmanager
async def serving(pages: Mapping[str, bytes | Script], context: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    """Serve pages on loopback. Other targets are not found.

    pages: target -> the whole response with its head, or a function that writes it
    """
    web = Web()
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            target = head.split(" ")[1]
            [host] = [line[6:] for line in head.split("\r\n") if line.lower().startswith("host: ")]
            web.requests.append((host, target))
            answer = pages.get(target, b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nsecret")
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    if context is not None:
        context.sni_callback = lambda _, name, __: web.names.append(name)
    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=context)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0.01)  # transports close in the next rounds of the loop


def page(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def moved(location: str, status: str = "302 Found") -> bytes:
    return page(b"", f"Location: {location}", status=status)


class Names:
    """A resolver that knows a few names and records its queries."""

    def __init__(self, known: Mapping[str, Sequence[str]]) -> None:
        self.known = known
        self.lookups: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[IPAddress]:
        self.lookups.append(host)
        return [ip_address(address) for address in self.known[host]]


def only_here(address: IPAddress) -> bool:
    """An address policy that allows only 127.0.0.1."""
    return str(address) == "127.0.0.1"
