"""Hostile inputs are sent, and the service is watched: it lives, answers others, says no more than it should, and holds
in the end what it held before.
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
from tagging.tools.load_test.process import Footprint, ServiceProcess

AT_ONCE = 8
PROBE_EVERY = 50  # attacks
WARM_SHARE = 0.3  # of the attacks: pools of threads are filled, libraries loaded, caches made
SETTLE_S = 30.0  # for what was given up to be cleared away
ANSWER_S = 60.0  # beyond it a call hangs
# What it may hold more in the end: allocators keep memory, pools get their threads and the five connections to the
# database as they need them. A connection to SQLite has up to three descriptors.
MORE_HELD = {"resident_mib": 100.0, "descriptors": 15, "threads": 16, "processes": 0}
FAULTS_TOLD = 20
# The client's own status for a stream that the service had ended while something was being written to it.
CUT_OFF, CUT_OFF_TOLD = "(ended while it was sent)", "Internal error from Core"

Row = dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """What the service answered, by kind of attack, and what is wrong with it; `held` before and after."""

    answers: dict[str, Counter[str]] = field(default_factory=dict)
    held: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def fault(self, told: str) -> None:
        if len(self.faults) < FAULTS_TOLD:
            self.faults.append(told)

    @property
    def rows(self) -> list[Row]:
        return [
            {
                "attack": kind,
                "sent": codes.total(),
                "answered with": ", ".join(f"{count} {code}" for code, count in codes.most_common()),
            }
            for kind, codes in sorted(self.answers.items())
        ]


async def attack_all(service: ServiceProcess, attacks: Iterator[Attack], count: int, progress: Progress) -> Outcome:
    outcome = Outcome()
    with progress.track("attack", count) as advance:
        await _attack(service, islice(attacks, int(WARM_SHARE * count)), outcome, advance)
        before = await _settled(service)
        await _attack(service, attacks, outcome, advance)
        after = await _settled(service, before)
    outcome.held = [{"": "before", **_row(before)}, {"": "after", **_row(after)}]
    for what, more in MORE_HELD.items():
        was, became = getattr(before, what), getattr(after, what)
        if became > was + more:
            outcome.fault(f"{what}: {was:.0f} became {became:.0f}")
    log = service.log
    for what in ("Traceback", "never retrieved", "as nobody foresaw", "unexpected error", TOKEN):
        if what in log:
            outcome.fault(f"the log has {what!r}: {log[log.index(what) :][-600:]}")
    return outcome


async def _attack(service: ServiceProcess, attacks: Iterator[Attack], outcome: Outcome, advance: Advance) -> None:
    """Some beside each other, and now and then what others ask."""
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

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    await _probe(service, outcome, "at the end")


async def _send(service: ServiceProcess, channel: grpc.aio.Channel, attack: Attack, outcome: Outcome) -> None:
    codes = outcome.answers.setdefault(attack.kind, Counter())
    if not attack.method:
        await _write(service.port, attack.messages[0])
        codes["(none)"] += 1
        return
    try:
        code, told = await asyncio.wait_for(_called(channel, attack), ANSWER_S)
    except TimeoutError:
        outcome.fault(f"{attack.kind}, {attack.method}: no answer in {ANSWER_S:g} s")
        return
    codes[code] += 1
    if code not in {CUT_OFF, *(one.name for one in attack.right)}:
        outcome.fault(f"{attack.kind}, {attack.method}: {code}, {told}, for {attack.messages!r:.300}")


async def _called(channel: grpc.aio.Channel, attack: Attack) -> tuple[str, str]:
    """The status, and what it says."""
    if attack.method == SERVICE + STREAM:
        call: Any = channel.stream_stream(attack.method)(metadata=attack.metadata, timeout=attack.timeout_s)
        work = [asyncio.ensure_future(_say(call, attack)), asyncio.ensure_future(_hear(call))]
    else:
        multi: Any = channel.unary_unary(attack.method)
        call = multi(attack.messages[0], metadata=attack.metadata, timeout=attack.timeout_s)
        work = [asyncio.ensure_future(call.code())]
    if attack.cancel_after_s is not None:
        await asyncio.wait(work, timeout=attack.cancel_after_s)
        call.cancel()
        for one in work:
            one.cancel()  # a write to a call that was given up before it began would never end
    await asyncio.gather(*work, return_exceptions=True)
    code, told = await call.code(), await call.details() or ""
    return (CUT_OFF if told == CUT_OFF_TOLD else code.name), told


async def _say(call: Any, attack: Attack) -> None:
    for message in attack.messages:
        await call.write(message)
    if attack.half_closed:
        await call.done_writing()


async def _hear(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def _write(port: int, data: bytes) -> None:
    """To the port, which may close at any time; the connection is torn down whatever comes."""
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(100), 0.05)
        finally:
            writer.transport.abort()


async def _probe(service: ServiceProcess, outcome: Outcome, when: str) -> None:
    """What everybody else asks meanwhile: whether it is well, and tags."""
    if not service.is_alive:
        outcome.fault(f"the service is dead {when}: {service.log[-600:]}")
        return
    async with grpc.aio.insecure_channel(service.address, _APART) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=ANSWER_S)
            if answer.status != health_pb2.HealthCheckResponse.SERVING:
                outcome.fault(f"health is {answer.status} {when}")
            video = pb.TagVideoRequest(video_id=f"probe-{time.monotonic_ns()}", title="a dog barks at night")
            await rpc.TaggingServiceStub(channel).TagVideo(video, timeout=ANSWER_S, metadata=METADATA)
        except grpc.aio.AioRpcError as error:
            outcome.fault(f"an ordinary call is answered with {error.code().name} {when}: {error.details()}")


async def _settled(service: ServiceProcess, wanted: Footprint | None = None) -> Footprint:
    """What it holds once no more of it goes away: as little as wanted, or whatever it is after a while."""
    deadline = time.monotonic() + SETTLE_S
    last = service.footprint()
    while time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        now = service.footprint()
        if wanted is None and (now.descriptors, now.processes) == (last.descriptors, last.processes):
            return now
        if wanted and all(getattr(now, what) <= getattr(wanted, what) + more for what, more in MORE_HELD.items()):
            return now
        last = now
    return last


def _row(held: Footprint) -> Row:
    return {
        "MiB": round(held.resident_mib),
        "descriptors": held.descriptors,
        "threads": held.threads,
        "processes": held.processes,
    }


# Channels of one process share their connections, unless told otherwise.
_APART = (("grpc.use_local_subchannel_pool", 1),)
