"""Metrics endpoint: scrapes are answered; slow, invalid or numerous clients affect neither them nor the service."""

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from pydantic import ValidationError

from tagging.errors import InvalidConfigError
from tagging.service.config import MetricsConfig
from tagging.service.observe.endpoint import metrics_endpoint
from tests.support.polling import wait_until_async

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def config(**others: Any) -> MetricsConfig:
    return MetricsConfig.model_validate({"listen": "127.0.0.1:0", **others})


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("tagging_example", "An example.", registry=registry).set(42)
    return registry


async def sent(port: int | None, request: bytes, *, end: bool = False) -> bytes:
    """Return the whole response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        if end:
            writer.write_eof()
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_metrics_are_served_at_metrics(registry: CollectorRegistry) -> None:
    async def ask() -> bytes:
        async with metrics_endpoint(registry, config()) as port:
            return await sent(port, GET)

    head, _, body = asyncio.run(ask()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    [family] = text_string_to_metric_families(body.decode())
    assert [(sample.name, sample.value) for sample in family.samples] == [("tagging_example", 42.0)]


def test_openmetrics_is_served_on_request(registry: CollectorRegistry) -> None:
    async def ask() -> bytes:
        async with metrics_endpoint(registry, config()) as port:
            accept = b"ACCEPT: application/openmetrics-text;version=1.0.0\r\n"
            return await sent(port, b"GET /metrics?x=1 HTTP/1.1\r\n" + accept + b"\r\n")

    answer = asyncio.run(ask())
    assert b"Content-Type: application/openmetrics-text" in answer
    assert answer.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metrics/../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"405"),
        (b"\x16\x03\x01\xff\xfe\r\n\r\n", b"404"),
        (b"\r\n\r\n", b"404"),
        (b"GET\r\n\r\n", b"404"),
    ],
)
def test_other_requests_are_refused(registry: CollectorRegistry, request_: bytes, status: bytes) -> None:
    async def ask() -> tuple[bytes, bytes]:
        async with metrics_endpoint(registry, config()) as port:
            return await sent(port, request_), await sent(port, GET)

    answer, after = asyncio.run(ask())
    assert answer.split()[1] == status
    assert b"tagging_example 42.0" in after


def test_an_endless_request_head_is_cut_off(registry: CollectorRegistry) -> None:
    async def ask() -> tuple[bytes, bytes, bytes]:
        async with metrics_endpoint(registry, config()) as port:
            long = await sent(port, b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 100_000)
            cut = await sent(port, b"GET /metr", end=True)
            return long, cut, await sent(port, GET)

    long, cut, after = asyncio.run(ask())
    assert (long, cut) == (b"", b"")
    assert b"tagging_example 42.0" in after


def test_silent_clients_are_disconnected_and_others_are_answered(registry: CollectorRegistry) -> None:
    async def ask() -> bytes:
        async with metrics_endpoint(registry, config(timeout_s=2.0, connections=2)) as port:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            assert await sent(port, GET) == b""  # a third is closed at once
            for reader, _ in silent:
                assert await asyncio.wait_for(reader.read(), 30) == b""
            answer = await sent(port, GET)
            for _, writer in silent:
                writer.close()
            return answer

    assert b"tagging_example 42.0" in asyncio.run(ask())


class Huge(Collector):
    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("tagging_huge", "More than the buffers of two sockets.", labels=("n",))
        for n in range(60_000):
            family.add_metric((f"{n:0200d}",), 1.0)
        yield family


def test_a_client_that_does_not_read_the_response_is_disconnected() -> None:
    registry = CollectorRegistry()
    registry.register(Huge())

    async def ask() -> tuple[bytes, bytes]:
        async with metrics_endpoint(registry, config(timeout_s=6.0, connections=1)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            writer.write(GET)
            async with asyncio.timeout(60):
                while not (after := await sent(port, b"GET / HTTP/1.1\r\n\r\n")):
                    await asyncio.sleep(0.05)  # the only connection is still in use
                got = b""
                with suppress(ConnectionResetError):
                    while part := await reader.read(1_000_000):
                        got += part
            writer.close()
            return got, after

    got, after = asyncio.run(ask())
    head, _, body = got.partition(b"\r\n\r\n")
    whole = int(head.partition(b"Content-Length: ")[2].split()[0])
    assert len(body) < whole
    assert after.startswith(b"HTTP/1.1 404")


class BlockedCollector(Collector):
    """Collects until it is released."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()

    def collect(self) -> Iterable[Metric]:
        self.begun.set()
        self.release.wait(30)
        yield GaugeMetricFamily("tagging_held", "Late.", value=1.0)


def test_collecting_metrics_does_not_block_the_service() -> None:
    registry, blocked = CollectorRegistry(), BlockedCollector()
    registry.register(blocked)
    blocked.begun.clear()

    async def ask() -> bytes:
        async with metrics_endpoint(registry, config()) as port:
            scrape = asyncio.create_task(sent(port, GET))
            await wait_until_async(blocked.begun.is_set, interval_s=0.001)
            blocked.release.set()  # reached only if the loop is not blocked
            return await scrape

    blocked.release.set()
    list(registry.collect())
    blocked.release.clear()
    blocked.begun.clear()
    assert b"tagging_held 1.0" in asyncio.run(ask())


def test_metrics_are_collected_while_all_threads_of_the_service_are_busy(registry: CollectorRegistry) -> None:
    release = threading.Event()

    async def ask() -> bytes:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = asyncio.create_task(asyncio.to_thread(release.wait, 60))
        await asyncio.sleep(0)
        async with metrics_endpoint(registry, config()) as port:
            try:
                return await sent(port, GET)
            finally:
                release.set()
                await busy

    assert b"tagging_example 42.0" in asyncio.run(ask())


def test_a_failed_collection_is_logged_and_the_endpoint_continues(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Collector):
        def __init__(self) -> None:
            self.broken = False

        def collect(self) -> Iterable[Metric]:
            if self.broken:
                raise RuntimeError("no numbers")
            return []

    failing = Failing()
    registry.register(failing)

    async def ask() -> tuple[bytes, bytes]:
        async with metrics_endpoint(registry, config()) as port:
            failing.broken = True
            first = await sent(port, GET)
            failing.broken = False
            return first, await sent(port, GET)

    first, second = asyncio.run(ask())
    assert first == b""
    assert b"tagging_example 42.0" in second
    assert [record.getMessage() for record in caplog.records] == ["metrics could not be rendered"]


def test_the_endpoint_can_be_disabled_and_an_address_in_use_is_an_error() -> None:
    async def twice() -> None:
        async with metrics_endpoint(CollectorRegistry(), MetricsConfig(listen=None)) as port:
            assert port is None
        async with metrics_endpoint(CollectorRegistry(), config()) as port:
            with pytest.raises(InvalidConfigError, match="cannot be served"):
                async with metrics_endpoint(CollectorRegistry(), config(listen=f"127.0.0.1:{port}")):
                    pass
        with pytest.raises(ValidationError, match="port 99999, expected at most 65535"):
            config(listen="127.0.0.1:99999")

    asyncio.run(twice())


def test_closing_does_not_wait_for_clients(registry: CollectorRegistry) -> None:
    async def stop() -> bytes:
        async with metrics_endpoint(registry, config(timeout_s=600.0)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET ")
            await asyncio.sleep(0.05)
        async with asyncio.timeout(30):
            rest = await reader.read()
        writer.close()
        return rest

    assert asyncio.run(stop()) == b""


@pytest.mark.parametrize("listen", ["127.0.0.1", ":9464", "0.0.0.0:", "http://x:1", "a b:1", "x:123456", "::1:9464"])
def test_an_invalid_address_is_a_config_error(listen: str) -> None:
    with pytest.raises(ValueError, match="listen"):
        MetricsConfig(listen=listen)


def test_an_ipv6_address_is_accepted(registry: CollectorRegistry) -> None:
    assert MetricsConfig(listen="[::1]:9464").listen == "[::1]:9464"
