"""Metrics endpoint for Prometheus: GET /metrics over HTTP, on an address of its own.

It does not block the service: metrics are rendered in a thread of their own, each response has a time limit, and the
number of connections is limited. prometheus_client's own server has a thread for each connection and waits for slow
clients without limit.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from tagging.errors import InvalidConfigError
from tagging.service.config import MetricsConfig

LONGEST_HEAD = 8192  # bytes

logger = logging.getLogger(__name__)


@asynccontextmanager
async def metrics_endpoint(registry: CollectorRegistry, config: MetricsConfig) -> AsyncIterator[int | None]:
    """Serve metrics while the context lasts; yields the port, None if `config.listen` is None.

    Raises InvalidConfigError for an address that cannot be listened on.
    """
    if config.listen is None:
        yield None
        return
    host, _, port = config.listen.rpartition(":")
    with ThreadPoolExecutor(1, "metrics") as writer:
        endpoint = _Endpoint(registry, config, writer)
        try:
            server = await asyncio.start_server(endpoint.accept, host.strip("[]"), int(port), limit=LONGEST_HEAD)
        except OSError as error:
            raise InvalidConfigError(
                f"metrics cannot be served on {config.listen}: {error}", "choose another observe.metrics.listen"
            ) from error
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await endpoint.close()


class _Endpoint:
    def __init__(self, registry: CollectorRegistry, config: MetricsConfig, writer: ThreadPoolExecutor) -> None:
        self._registry = registry
        self._config = config
        self._writer = writer
        self._connections: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._config.connections:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._answer(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)  # drain waits until everything is handed to the kernel
        try:
            async with asyncio.timeout(self._config.timeout_s):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._respond(head))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            writer.transport.abort()  # the client is slow, gone, or does not speak HTTP
        except Exception:  # a faulty metric must not end the endpoint
            logger.exception("metrics could not be rendered")
            writer.transport.abort()
        finally:
            writer.close()

    async def _respond(self, head: bytes) -> bytes:
        request, *lines = head.decode("latin-1").split("\r\n")
        method, _, rest = request.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if path != "/metrics":
            return _response("404 Not Found", "text/plain", b"metrics are at /metrics\n")
        if method != "GET":
            return _response("405 Method Not Allowed", "text/plain", b"only GET\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        write, content_type = choose_encoder(headers.get("accept", ""))
        body = await asyncio.get_running_loop().run_in_executor(self._writer, write, self._registry)
        return _response("200 OK", content_type, body)


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
