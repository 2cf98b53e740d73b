"""Attack run: sends hostile inputs and checks the service.

It must stay alive, keep serving ordinary calls, leak no internals, and release the resources it used.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.progress import Advance, Progress
from tagging.tools.load_test.attacks import METADATA, SERVICE, STREAM, TOKEN, Attack
from tagging.tools.load_test.footprint import Footprint
from tagging.tools.load_test.service_process import ServiceProcess

CONCURRENCY = 8
PROBE_EVERY = 50  # attacks
WARM_SHARE = 0.3  # of the attacks: thread pools and caches fill, libraries are loaded
SETTLE_S = 30.0  # for the clean-up of cancelled calls
ANSWER_S = 60.0  # a call that takes longer hangs
# Tolerated growth: allocators keep memory, pools open their threads and the five database connections on demand. An
# SQLite connection has up to three descriptors.
ALLOWED_GROWTH = {"resident_mib": 100.0, "descriptors": 15, "threads": 16, "processes": 0}
MOST_FAULTS = 20
# The client's own status for a stream that the service ended during a write.
CUT_OFF, CUT_OFF_DETAILS = "(ended during a write)", "Internal error from Core"

Row = dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """Statuses by kind of attack, the faults found, and the resources `held` before and after."""

    answers: dict[str, Counter[str]] = field(default_factory=dict)
    held: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add_fault(self, text: str) -> None:
        """Record a fault, up to MOST_FAULTS of them."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(text)

    @property
    def rows(self) -> list[Row]:
        """The table of statuses, one row per kind of attack."""
        return [
            {
                "attack": kind,
                "sent": codes.total(),
                "answered with": ", ".join(f"{count} {code}" for code, count in codes.most_common()),
            }
            for kind, codes in sorted(self.answers.items())
        ]


async def attack_all(service: ServiceProcess, attacks: Iterator[Attack], count: int, progress: Progress) -> Outcome:
    """Send `count` attacks and check the service during and after them."""
    outcome = Outcome()
    with progress.track("attack", count) as advance:
        await _attack(service, islice(attacks, int(WARM_SHARE * count)), outcome, advance)
        before = await _settled(service)
        await _attack(service, attacks, outcome, advance)
        after = await _settled(service, before)
    outcome.held = [before.row("before"), after.row("after")]
    for resource, growth in ALLOWED_GROWTH.items():
        first, last = getattr(before, resource), getattr(after, resource)
        if last > first + growth:
            outcome.add_fault(f"{resource}: grew from {first:.0f} to {last:.0f}")
    log = service.log
    for text in ("Traceback", "never retrieved", "unexpected error", TOKEN):
        if text in log:
            outcome.add_fault(f"the log has {text!r}: {log[log.index(text) :][-600:]}")
    return outcome


async def _attack(service: ServiceProcess, attacks: Iterator[Attack], outcome: Outcome, advance: Advance) -> None:
    """Send attacks concurrently, with an ordinary call now and then."""
    done = 0

    async def worker() -> None:
        nonlocal done
        async with grpc.aio.insecure_channel(service.address, _APART) as channel:
            for attack in attacks:
                if not service.is_alive:
                    return
                await _send(service, channel, attack, outcome)
                advance(1)
                done += 1
                if done % PROBE_EVERY == 0:
                    await _probe(service, outcome, f"after {done} attacks")

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    await _probe(service, outcome, "at the end")


async def _send(service: ServiceProcess, channel: grpc.aio.Channel, attack: Attack, outcome: Outcome) -> None:
    codes = outcome.answers.setdefault(attack.kind, Counter())
    if not attack.method:
        await _write_raw(service.port, attack.messages[0])
        codes["(none)"] += 1
        return
    try:
        code, details = await asyncio.wait_for(_call(channel, attack), ANSWER_S)
    except TimeoutError:
        outcome.add_fault(f"{attack.kind}, {attack.method}: no answer in {ANSWER_S:g} s")
        return
    codes[code] += 1
    if code not in {CUT_OFF, *(status.name for status in attack.expected)}:
        outcome.add_fault(f"{attack.kind}, {attack.method}: {code}, {details}, for {attack.messages!r:.300}")


async def _call(channel: grpc.aio.Channel, attack: Attack) -> tuple[str, str]:
    """Make the call; return its status and details."""
    if attack.method == SERVICE + STREAM:
        call: Any = channel.stream_stream(attack.method)(metadata=attack.metadata, timeout=attack.timeout_s)
        work = [asyncio.ensure_future(_write_messages(call, attack)), asyncio.ensure_future(_read_messages(call))]
    else:
        multi: Any = channel.unary_unary(attack.method)
        call = multi(attack.messages[0], metadata=attack.metadata, timeout=attack.timeout_s)
        work = [asyncio.ensure_future(call.code())]
    if attack.cancel_after_s is not None:
        await asyncio.wait(work, timeout=attack.cancel_after_s)
        call.cancel()
        for task in work:
            task.cancel()  # a write to a call that was cancelled before it began would never end
    await asyncio.gather(*work, return_exceptions=True)
    code, details = await call.code(), await call.details() or ""
    return (CUT_OFF if details == CUT_OFF_DETAILS else code.name), details


async def _write_messages(call: Any, attack: Attack) -> None:
    for message in attack.messages:
        await call.write(message)
    if attack.half_closed:
        await call.done_writing()


async def _read_messages(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def _write_raw(port: int, data: bytes) -> None:
    """Write raw bytes to the port, which may close at any time, and abort the connection."""
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(100), 0.05)
        finally:
            writer.transport.abort()


async def _probe(service: ServiceProcess, outcome: Outcome, when: str) -> None:
    """Make the calls of an ordinary client: health and tagging."""
    if not service.is_alive:
        outcome.add_fault(f"the service is dead {when}: {service.log[-600:]}")
        return
    async with grpc.aio.insecure_channel(service.address, _APART) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=ANSWER_S)
            if answer.status != health_pb2.HealthCheckResponse.SERVING:
                outcome.add_fault(f"health is {answer.status} {when}")
            video = pb.TagVideoRequest(video_id=f"probe-{time.monotonic_ns()}", title="a dog barks at night")
            await rpc.TaggingServiceStub(channel).TagVideo(video, timeout=ANSWER_S, metadata=METADATA)
        except grpc.aio.AioRpcError as error:
            outcome.add_fault(f"an ordinary call failed with {error.code().name} {when}: {error.details()}")


async def _settled(service: ServiceProcess, wanted: Footprint | None = None) -> Footprint:
    """Wait until the footprint stops shrinking, or is within ALLOWED_GROWTH of `wanted`; at most SETTLE_S."""
    deadline = time.monotonic() + SETTLE_S
    last = service.footprint()
    while time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        now = service.footprint()
        if wanted is None and (now.descriptors, now.processes) == (last.descriptors, last.processes):
            return now
        if wanted and all(
            getattr(now, resource) <= getattr(wanted, resource) + growth for resource, growth in ALLOWED_GROWTH.items()
        ):
            return now
        last = now
    return last


# Channels of one process share their connections by default.
_APART = (("grpc.use_local_subchannel_pool", 1),)
