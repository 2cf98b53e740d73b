"""gRPC health: serving only when warm, not draining, and with every dependency available."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc

from tagging.service.clients.roles import SERVICE
from tagging.service.config import HealthConfig
from tagging.service.observe.health import Health
from tagging.service.observe.watch import Check, Hysteresis, watch

SERVING, NOT_SERVING, UNKNOWN = (
    pb.HealthCheckResponse.SERVING,
    pb.HealthCheckResponse.NOT_SERVING,
    pb.HealthCheckResponse.SERVICE_UNKNOWN,
)
Stub = Any  # of a grpc.aio channel; the generated types describe the synchronous stub


@asynccontextmanager
async def health_stub(health: Health) -> AsyncIterator[Stub]:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)  # type: ignore[no-untyped-call, unused-ignore]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call, unused-ignore]
    finally:
        await server.stop(None)


async def status(stub: Stub, service: str = "") -> int:
    return int((await stub.Check(pb.HealthCheckRequest(service=service), timeout=30)).status)


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_is_serving_from_warm_up_until_drain(service: str) -> None:
    async def ask() -> list[int]:
        health, seen = Health(SERVICE), []
        async with health_stub(health) as stub:
            seen.append(await status(stub, service))
            health.warm()
            seen.append(await status(stub, service))
            health.drain()
            seen.append(await status(stub, service))
            health.warm()
            health.set_working("database", True)
            seen.append(await status(stub, service))
        return seen

    assert asyncio.run(ask()) == [NOT_SERVING, SERVING, NOT_SERVING, NOT_SERVING]


def test_failures_observed_before_warm_up_count_afterwards() -> None:
    health = Health(SERVICE)
    health.set_working("database", False)
    health.warm()
    assert not health.serving
    health.set_working("decoders", False)
    health.set_working("database", True)
    assert not health.serving
    health.set_working("decoders", True)
    assert health.serving


def test_an_unknown_service_is_not_found() -> None:
    async def ask() -> None:
        async with health_stub(Health(SERVICE)) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await status(stub, "other.Service")
            assert refused.value.code() == StatusCode.NOT_FOUND
            watched = stub.Watch(pb.HealthCheckRequest(service="other.Service"), timeout=30)
            assert (await watched.read()).status == UNKNOWN
            watched.cancel()

    asyncio.run(ask())


def test_all_watchers_receive_every_change_after_one_has_disconnected() -> None:
    async def ask() -> list[list[int]]:
        health = Health(SERVICE)
        async with health_stub(health) as stub:
            watchers = [stub.Watch(pb.HealthCheckRequest(service=SERVICE), timeout=30) for _ in range(3)]
            statuses: list[list[int]] = [[(await watcher.read()).status] for watcher in watchers]
            watchers[0].cancel()
            await asyncio.sleep(0.05)
            for change in (health.warm, health.drain):
                change()
                for watcher, received in list(zip(watchers, statuses, strict=True))[1:]:
                    received.append((await watcher.read()).status)
            for watcher in watchers[1:]:
                watcher.cancel()
        return statuses

    assert asyncio.run(ask()) == [[NOT_SERVING], *[[NOT_SERVING, SERVING, NOT_SERVING]] * 2]


def test_a_change_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    health = Health(SERVICE)
    health.warm()
    health.warm()
    health.set_working("database", False)
    health.set_working("database", False)
    assert [(vars(r)["serving"], vars(r)["missing"]) for r in caplog.records] == [(True, ""), (False, "database")]


def test_health_changes_after_a_long_run_of_failures_or_successes() -> None:
    state = Hysteresis(away_after_s=15, back_after_s=10)
    seen = [
        (0, True, True),
        (5, False, True),
        (10, False, True),
        (15, True, True),  # one success restarts the wait
        (20, False, True),
        (34, False, True),
        (35, False, False),
        (40, True, False),
        (45, False, False),  # as does one failure
        (50, True, False),
        (59, True, False),
        (60, True, True),
        (65, False, True),
    ]
    assert [state.observe(works, now_s) for now_s, works, _ in seen] == [expected for _, _, expected in seen]


@pytest.mark.parametrize("seed", range(20))
def test_incremental_health_equals_a_computation_over_all_observations(seed: int) -> None:
    import numpy as np

    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 4, 300)).tolist()
    works = (rng.random(300) < rng.choice([0.1, 0.5, 0.9])).tolist()
    state, serving = Hysteresis(away_after_s=6, back_after_s=4), True
    for n, now_s in enumerate(times):
        # Plain definition: the state changes when all observations of a long enough time contradict it.
        run = n
        while run > 0 and works[run - 1] == works[n]:
            run -= 1
        long_s = 4 if works[n] else 6
        if works[n] != serving and now_s - times[run] >= long_s:
            serving = works[n]
        assert state.observe(works[n], now_s) == serving


class World:
    """Virtual time that advances with sleep(); a script states which dependencies work at each time."""

    def __init__(self, script: dict[str, Callable[[float], bool]], until_s: float) -> None:
        self.now_s, self._until_s, self._script = 0.0, until_s, script

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        if self.now_s >= self._until_s:
            raise asyncio.CancelledError

    def checks(self) -> dict[str, Check]:
        return {name: self._check(works) for name, works in self._script.items()}

    def _check(self, works: Callable[[float], bool]) -> Check:
        async def check() -> bool:
            return works(self.now_s)

        return check


CONFIG = HealthConfig(check_every_s=5, check_timeout_s=1, away_after_s=15, back_after_s=10)


def served(checks: dict[str, Check], world: World) -> list[tuple[float, bool]]:
    """Return the times at which health changed, with the new state."""
    health, changes = Health(SERVICE), [(0.0, True)]
    health.warm()

    async def sleep(seconds: float) -> None:
        if health.serving != changes[-1][1]:
            changes.append((world.now_s, health.serving))
        await world.sleep(seconds)

    async def run() -> None:
        await watch(checks, health, CONFIG, clock=world.clock, sleep=sleep)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    return changes


def test_a_long_database_outage_stops_traffic_until_the_database_is_stable() -> None:
    world = World({"database": lambda now_s: not 20 <= now_s < 60, "decoders": lambda _: True}, until_s=120)
    assert served(world.checks(), world) == [(0.0, True), (35.0, False), (70.0, True)]


def test_a_flapping_database_does_not_stop_traffic() -> None:
    world = World({"database": lambda now_s: now_s % 15 == 0}, until_s=300)
    assert served(world.checks(), world) == [(0.0, True)]


def test_either_of_two_failing_dependencies_stops_traffic() -> None:
    world = World({"database": lambda now_s: now_s >= 40, "decoders": lambda now_s: not 30 <= now_s < 80}, until_s=150)
    assert served(world.checks(), world) == [(0.0, True), (15.0, False), (90.0, True)]


async def refuse() -> bool:
    raise OSError("connection refused at postgresql://me:pass@db")


async def hang() -> bool:
    await asyncio.Event().wait()
    return True


@pytest.mark.parametrize("check", [refuse, hang])
def test_a_check_that_raises_or_hangs_is_a_failure_without_details(
    check: Callable[[], Awaitable[bool]], caplog: pytest.LogCaptureFixture
) -> None:
    world = World({}, until_s=30)
    config = CONFIG.model_copy(update={"check_timeout_s": 0.01})
    health = Health(SERVICE)
    health.warm()

    def run() -> Coroutine[Any, Any, None]:
        return watch({"database": check}, health, config, clock=world.clock, sleep=world.sleep)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert not health.serving
    assert "pass" not in caplog.text
    assert {vars(record).get("reason") for record in caplog.records if "check failed" in record.message} == {
        "OSError" if check is refuse else "TimeoutError"
    }
