"""Admission control: limits, fair turns between clients, and clean-up after callers that stop waiting."""

import asyncio
import random
from collections import Counter

import pytest

from tagging.errors import DeadlineExceededError, MediaTooBigError, OverloadedError
from tagging.service.inference.admission import Admission, AdmissionLimits
from tests.support.clocks import run_leaping
from tests.support.polling import wait_until_async

MANY = 10**9


def config(videos: int = 2, content_bytes: int = MANY, waiting: int = 10_000, waiting_bytes: int = MANY) -> Admission:
    return Admission(AdmissionLimits("videos", videos, content_bytes, waiting, waiting_bytes))


async def work(
    admission: Admission,
    client: str,
    outcomes: list[str],
    size: int = 0,
    deadline: float | None = None,
    takes_s: float = 1,
) -> None:
    """Record when the video is admitted, or why it was refused."""
    name = f"{client} {size}" if size else client
    try:
        async with admission.admit(client, size, deadline):
            outcomes.append(name)
            await asyncio.sleep(takes_s)
    except OverloadedError:
        outcomes.append(f"{name} refused")
    except DeadlineExceededError:
        outcomes.append(f"{name} late")


async def settled() -> None:
    """Let tasks run as far as they can without time passing."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_videos_within_the_limit_do_not_wait() -> None:
    async def main() -> float:
        admission, outcomes = config(videos=3), list[str]()
        await asyncio.gather(*(work(admission, "a", outcomes) for _ in range(3)))
        return asyncio.get_running_loop().time()

    assert run_leaping(main()) == pytest.approx(1.0)


def test_admission_is_round_robin_over_clients_and_first_come_within_one() -> None:
    async def main() -> list[str]:
        admission, outcomes = config(videos=1), list[str]()
        sizes = [("a", 1), ("a", 2), ("a", 3), ("a", 4), ("b", 1), ("b", 2), ("c", 1)]
        await asyncio.gather(*(work(admission, client, outcomes, size) for client, size in sizes))
        return outcomes

    # a 1 is admitted at once; a 2 3 4, b 1 2 and c 1 wait and are admitted round robin
    assert run_leaping(main()) == ["a 1", "a 2", "b 1", "c 1", "a 3", "b 2", "a 4"]


def test_large_content_waits_for_room_and_is_not_overtaken() -> None:
    async def main() -> list[str]:
        admission, outcomes = config(videos=10, content_bytes=10), list[str]()
        sizes = [("a", 6), ("b", 9), *[("c", 1)] * 20]
        await asyncio.gather(*(work(admission, client, outcomes, size) for client, size in sizes))
        return outcomes

    assert run_leaping(main()) == ["a 6", "b 9", *["c 1"] * 20]


def test_content_over_the_limit_is_refused_at_once() -> None:
    async def main() -> None:
        async with config(content_bytes=10).admit("a", 11, None):
            raise AssertionError("admitted")

    with pytest.raises(MediaTooBigError, match="11 bytes of content, expected at most 10"):
        run_leaping(main())


@pytest.mark.parametrize("over", ["number", "bytes"])
def test_a_full_queue_refuses_with_a_retry_delay(over: str) -> None:
    async def main() -> float:
        limits = {"waiting": 3} if over == "number" else {"waiting_bytes": 3 * 5}
        admission, outcomes = config(videos=2, **limits), list[str]()
        for _ in range(40):  # teaches it that a video takes four seconds
            await asyncio.gather(*(work(admission, "a", outcomes, 5, takes_s=4) for _ in range(2)))
        tasks = [asyncio.create_task(work(admission, "a", outcomes, 5, takes_s=4)) for _ in range(5)]
        await settled()
        with pytest.raises(OverloadedError, match="2 videos are in progress, and 3 wait") as refused:
            async with admission.admit("a", 5, None):
                raise AssertionError("admitted")
        await asyncio.gather(*tasks)
        return refused.value.retry_after_s

    # two at a time, four seconds each: the three that wait and the next one are done after eight seconds
    assert run_leaping(main()) == pytest.approx(8.0, rel=0.05)


def test_idle_time_does_not_lengthen_the_retry_delay() -> None:
    async def main() -> float:
        admission, outcomes = config(videos=1, waiting=0), list[str]()
        for _ in range(100):
            await work(admission, "a", outcomes, takes_s=2)
        await asyncio.sleep(3600)
        task = asyncio.create_task(work(admission, "a", outcomes))
        await settled()
        with pytest.raises(OverloadedError) as refused:
            async with admission.admit("a", 0, None):
                raise AssertionError("admitted")
        await task
        return refused.value.retry_after_s

    assert run_leaping(main()) == pytest.approx(2.0, rel=0.05)


def test_a_client_that_fills_the_queue_loses_places_to_other_clients() -> None:
    async def main() -> Counter[str]:
        admission, outcomes = config(videos=1, waiting=6), list[str]()
        tasks = [asyncio.create_task(work(admission, "greedy", outcomes)) for _ in range(7)]
        await settled()
        for client in "abcabcabc":
            tasks.append(asyncio.create_task(work(admission, client, outcomes)))
            await settled()
        await asyncio.gather(*tasks)
        return Counter(outcomes)

    found = run_leaping(main())
    assert found["greedy"] + found["greedy refused"] == 7
    assert all(found[client] >= 1 for client in "abc")
    assert found["greedy"] >= 2  # the one in progress, and one of the six that may wait
    assert sum(count for outcome, count in found.items() if not outcome.endswith("refused")) == 7


def test_no_client_loses_a_place_to_one_with_the_same_share() -> None:
    async def main() -> list[str]:
        admission, outcomes = config(videos=1, waiting=4), list[str]()
        await asyncio.gather(*(work(admission, client, outcomes) for client in ["a", *"aabb", *"ab"]))
        return outcomes

    assert sorted(run_leaping(main())) == ["a", "a", "a", "a refused", "b", "b", "b refused"]


def test_waiting_ends_at_the_deadline_of_the_call() -> None:
    async def main() -> tuple[list[str], float]:
        admission, outcomes = config(videos=1), list[str]()
        loop = asyncio.get_running_loop()
        holding = asyncio.create_task(work(admission, "a", outcomes, takes_s=100))
        await settled()
        await work(admission, "b", outcomes, deadline=loop.time() + 7)
        ended = loop.time()
        await work(admission, "b", outcomes, deadline=loop.time())  # already over
        assert admission.waiting == 0
        await holding
        return outcomes, ended

    assert run_leaping(main()) == (["a", "b late", "b late"], 7.0)


def test_an_expired_deadline_is_refused_even_if_there_is_room() -> None:
    async def main() -> list[str]:
        outcomes = list[str]()
        await work(config(), "a", outcomes, deadline=asyncio.get_running_loop().time() - 1)
        return outcomes

    assert run_leaping(main()) == ["a late"]


def test_cancelling_a_blocking_large_video_admits_the_next_ones() -> None:
    async def main() -> list[str]:
        admission, outcomes = config(videos=10, content_bytes=10), list[str]()
        first = asyncio.create_task(work(admission, "a", outcomes, 6, takes_s=100))
        await settled()
        big = asyncio.create_task(work(admission, "b", outcomes, 9))
        small = asyncio.create_task(work(admission, "c", outcomes, 1))
        await settled()
        big.cancel()
        await settled()
        seen = list(outcomes)
        await asyncio.gather(first, small)
        return seen

    assert run_leaping(main()) == ["a 6", "c 1"]


@pytest.mark.parametrize("order", ["turn first", "end first"])
def test_a_video_cancelled_at_its_turn_admits_the_next_one(order: str) -> None:
    async def main() -> list[str]:
        admission, outcomes = config(videos=1), list[str]()
        release = asyncio.Event()

        async def hold() -> None:
            async with admission.admit("a", 0, None):
                await release.wait()

        holding = asyncio.create_task(hold())
        await settled()
        waiting = asyncio.create_task(work(admission, "b", outcomes))
        last = asyncio.create_task(work(admission, "c", outcomes))
        await settled()
        if order == "turn first":
            release.set()
            await wait_until_async(lambda: admission.waiting < 2, interval_s=0)
            waiting.cancel()  # admitted, and has not run since
        else:
            release.set()
            waiting.cancel()  # runs after the one in progress has left
        await asyncio.gather(holding, waiting, last, return_exceptions=True)
        assert (vars(admission)["_in_progress"], admission.waiting) == (0, 0)
        return outcomes

    assert run_leaping(main()) == ["c"]


def test_a_video_cancelled_while_it_loses_its_place_is_cancelled() -> None:
    async def main() -> list[str]:
        admission, outcomes = config(videos=1, waiting=2), list[str]()
        tasks = [asyncio.create_task(work(admission, "a", outcomes)) for _ in range(3)]
        await settled()
        tasks[-1].cancel()
        await work(admission, "b", outcomes)  # takes the place before the cancelled task has run
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[-1].cancelled()
        return outcomes

    assert run_leaping(main()) == ["a", "a", "b"]


@pytest.mark.parametrize("seed", range(6))
def test_limits_and_order_hold_for_thousands_of_random_calls(seed: int) -> None:
    draw = random.Random(seed)
    videos, content, waiting, room = 5, 100, draw.choice([20, 5000]), draw.choice([400, 100_000])
    admission = config(videos, content, waiting, room)
    running: dict[int, int] = {}
    most = Counter[str]()
    entered: dict[str, list[int]] = {}
    ends = Counter[str]()
    retries = [1.0]

    async def call(number: int, client: str) -> None:
        size = draw.randrange(60)
        deadline = draw.choice([None, None, asyncio.get_running_loop().time() + draw.random() * 20])
        try:
            async with admission.admit(client, size, deadline):
                running[number] = size
                most["videos"] = max(most["videos"], len(running))
                most["bytes"] = max(most["bytes"], sum(running.values()))
                entered.setdefault(client, []).append(number)
                try:
                    await asyncio.sleep(draw.choice([0, 0.01, 0.5]))
                    if draw.random() < 0.05:
                        raise ZeroDivisionError
                finally:
                    del running[number]
            ends["done"] += 1
        except OverloadedError as error:
            ends["refused"] += 1
            retries.append(error.retry_after_s)
        except DeadlineExceededError:
            ends["late"] += 1
        except ZeroDivisionError:
            ends["failed"] += 1
        except asyncio.CancelledError:
            ends["cancelled"] += 1
            raise

    async def main() -> None:
        tasks = []
        for number in range(3000):
            tasks.append(asyncio.create_task(call(number, draw.choice("aaaaaaabbc"))))
            if draw.random() < 0.3:
                await asyncio.sleep(draw.choice([0, 0, 0.01, 0.1]))
            if draw.random() < 0.1:
                draw.choice(tasks[-40:]).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_leaping(main())
    assert (vars(admission)["_in_progress"], admission.waiting) == (0, 0)
    assert vars(admission)["_in_progress_bytes"] == vars(admission)["_waiting_bytes"] == 0
    assert not vars(admission)["_queues"]
    assert most["videos"] == videos
    assert most["bytes"] <= content
    assert all(numbers == sorted(numbers) for numbers in entered.values())
    assert sum(ends.values()) <= 3000  # some are cancelled before they begin
    assert ends["done"] > 200
    assert min(retries) >= 0.1
    assert max(retries) <= 60
    assert ends["cancelled"] > 10
    assert ends["failed"] > 5


def test_every_video_without_a_deadline_is_admitted_eventually() -> None:
    async def main() -> int:
        admission, outcomes = config(videos=3, waiting=5000), list[str]()
        tasks = [work(admission, f"client {number % 40}", outcomes, takes_s=0.01) for number in range(4000)]
        await asyncio.gather(*tasks)
        return len(outcomes)

    assert run_leaping(main()) == 4000
