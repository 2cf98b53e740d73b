"""Never too much at once, every client its turn, and whoever stops waiting leaves nothing behind."""

import asyncio
import random
from collections import Counter

import pytest

from tagging.errors import DeadlineExceededError, MediaTooBigError, OverloadedError
from tagging.service.config import AdmissionConfig
from tagging.service.inference.admission import Admission
from tests.support.clocks import run_leaping

MANY = 10**9


def config(videos: int = 2, content_bytes: int = MANY, waiting: int = 10_000, waiting_bytes: int = MANY) -> Admission:
    return Admission(
        AdmissionConfig(videos=videos, content_bytes=content_bytes, waiting=waiting, waiting_bytes=waiting_bytes)
    )


async def work(
    admission: Admission, client: str, told: list[str], size: int = 0, deadline: float | None = None, takes_s: float = 1
) -> None:
    """Tells when it is within, or how it was refused."""
    name = f"{client} {size}" if size else client
    try:
        async with admission.admit(client, size, deadline):
            told.append(name)
            await asyncio.sleep(takes_s)
    except OverloadedError:
        told.append(f"{name} refused")
    except DeadlineExceededError:
        told.append(f"{name} late")


async def settled() -> None:
    """Lets tasks run as far as they come without time."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_there_is_room_for_does_not_wait() -> None:
    async def main() -> float:
        admission, told = config(videos=3), list[str]()
        await asyncio.gather(*(work(admission, "a", told) for _ in range(3)))
        return asyncio.get_running_loop().time()

    assert run_leaping(main()) == pytest.approx(1.0)


def test_turns_go_round_the_clients_and_each_keeps_its_order() -> None:
    async def main() -> list[str]:
        admission, told = config(videos=1), list[str]()
        sizes = [("a", 1), ("a", 2), ("a", 3), ("a", 4), ("b", 1), ("b", 2), ("c", 1)]
        await asyncio.gather(*(work(admission, client, told, size) for client, size in sizes))
        return told

    # a 1 finds room; those that wait are a 2 3 4, b 1 2 and c 1, dealt one each in turn
    assert run_leaping(main()) == ["a 1", "a 2", "b 1", "c 1", "a 3", "b 2", "a 4"]


def test_content_that_is_big_waits_for_room_and_is_not_overtaken_for_ever() -> None:
    async def main() -> list[str]:
        admission, told = config(videos=10, content_bytes=10), list[str]()
        sizes = [("a", 6), ("b", 9), *[("c", 1)] * 20]
        await asyncio.gather(*(work(admission, client, told, size) for client, size in sizes))
        return told

    assert run_leaping(main()) == ["a 6", "b 9", *["c 1"] * 20]


def test_content_that_never_fits_is_refused_at_once() -> None:
    async def main() -> None:
        async with config(content_bytes=10).admit("a", 11, None):
            raise AssertionError("it was let in")

    with pytest.raises(MediaTooBigError, match="11 bytes of content, at most 10"):
        run_leaping(main())


@pytest.mark.parametrize("over", ["number", "bytes"])
def test_when_too_many_wait_the_next_is_refused_with_a_time_to_come_back(over: str) -> None:
    async def main() -> float:
        limits = {"waiting": 3} if over == "number" else {"waiting_bytes": 3 * 5}
        admission, told = config(videos=2, **limits), list[str]()
        for _ in range(40):  # from which it learns that a video takes four seconds
            await asyncio.gather(*(work(admission, "a", told, 5, takes_s=4) for _ in range(2)))
        tasks = [asyncio.create_task(work(admission, "a", told, 5, takes_s=4)) for _ in range(5)]
        await settled()
        with pytest.raises(OverloadedError, match="2 videos are worked on, and 3 wait") as refused:
            async with admission.admit("a", 5, None):
                raise AssertionError("it was let in")
        await asyncio.gather(*tasks)
        return refused.value.retry_after_s

    # two at a time of four seconds each: three that wait and the next are done within eight seconds
    assert run_leaping(main()) == pytest.approx(8.0, rel=0.05)


def test_idleness_does_not_make_the_time_to_come_back_longer() -> None:
    async def main() -> float:
        admission, told = config(videos=1, waiting=0), list[str]()
        for _ in range(100):
            await work(admission, "a", told, takes_s=2)
        await asyncio.sleep(3600)
        task = asyncio.create_task(work(admission, "a", told))
        await settled()
        with pytest.raises(OverloadedError) as refused:
            async with admission.admit("a", 0, None):
                raise AssertionError("it was let in")
        await task
        return refused.value.retry_after_s

    assert run_leaping(main()) == pytest.approx(2.0, rel=0.05)


def test_a_client_that_fills_the_room_to_wait_yields_it_to_others() -> None:
    async def main() -> Counter[str]:
        admission, told = config(videos=1, waiting=6), list[str]()
        tasks = [asyncio.create_task(work(admission, "greedy", told)) for _ in range(7)]
        await settled()
        for client in "abcabcabc":
            tasks.append(asyncio.create_task(work(admission, client, told)))
            await settled()
        await asyncio.gather(*tasks)
        return Counter(told)

    found = run_leaping(main())
    assert found["greedy"] + found["greedy refused"] == 7
    assert all(found[client] >= 1 for client in "abc")
    assert found["greedy"] >= 2  # the one within, and one of the six places
    assert sum(count for told, count in found.items() if not told.endswith("refused")) == 7


def test_nobody_loses_its_place_to_one_that_has_as_much() -> None:
    async def main() -> list[str]:
        admission, told = config(videos=1, waiting=4), list[str]()
        await asyncio.gather(*(work(admission, client, told) for client in ["a", *"aabb", *"ab"]))
        return told

    assert sorted(run_leaping(main())) == ["a", "a", "a", "a refused", "b", "b", "b refused"]


def test_waiting_ends_at_the_deadline() -> None:
    async def main() -> tuple[list[str], float]:
        admission, told = config(videos=1), list[str]()
        loop = asyncio.get_running_loop()
        holding = asyncio.create_task(work(admission, "a", told, takes_s=100))
        await settled()
        await work(admission, "b", told, deadline=loop.time() + 7)
        ended = loop.time()
        await work(admission, "b", told, deadline=loop.time())  # which is over when it comes
        assert admission.waiting == 0
        await holding
        return told, ended

    assert run_leaping(main()) == (["a", "b late", "b late"], 7.0)


def test_a_deadline_that_is_over_is_refused_even_where_there_is_room() -> None:
    async def main() -> list[str]:
        told = list[str]()
        await work(config(), "a", told, deadline=asyncio.get_running_loop().time() - 1)
        return told

    assert run_leaping(main()) == ["a late"]


def test_when_one_that_was_too_big_stops_waiting_the_next_are_let_in() -> None:
    async def main() -> list[str]:
        admission, told = config(videos=10, content_bytes=10), list[str]()
        first = asyncio.create_task(work(admission, "a", told, 6, takes_s=100))
        await settled()
        big = asyncio.create_task(work(admission, "b", told, 9))
        small = asyncio.create_task(work(admission, "c", told, 1))
        await settled()
        big.cancel()
        await settled()
        seen = list(told)
        await asyncio.gather(first, small)
        return seen

    assert run_leaping(main()) == ["a 6", "c 1"]


@pytest.mark.parametrize("order", ["turn first", "end first"])
def test_one_that_is_cancelled_as_its_turn_comes_gives_the_place_on(order: str) -> None:
    async def main() -> list[str]:
        admission, told = config(videos=1), list[str]()
        release = asyncio.Event()

        async def hold() -> None:
            async with admission.admit("a", 0, None):
                await release.wait()

        holding = asyncio.create_task(hold())
        await settled()
        waiting = asyncio.create_task(work(admission, "b", told))
        last = asyncio.create_task(work(admission, "c", told))
        await settled()
        if order == "turn first":
            release.set()
            while admission.waiting == 2:
                await asyncio.sleep(0)
            waiting.cancel()  # its turn is set, and it has not run since
        else:
            release.set()
            waiting.cancel()  # runs after the one that holds the place has left
        await asyncio.gather(holding, waiting, last, return_exceptions=True)
        assert (admission.inside, admission.waiting) == (0, 0)
        return told

    assert run_leaping(main()) == ["c"]


def test_one_that_is_cancelled_as_it_loses_its_place_is_cancelled() -> None:
    async def main() -> list[str]:
        admission, told = config(videos=1, waiting=2), list[str]()
        tasks = [asyncio.create_task(work(admission, "a", told)) for _ in range(3)]
        await settled()
        tasks[-1].cancel()
        await work(admission, "b", told)  # takes the place before the other has run
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[-1].cancelled()
        return told

    assert run_leaping(main()) == ["a", "a", "b"]


@pytest.mark.parametrize("seed", range(6))
def test_thousands_that_come_go_and_give_up_at_random(seed: int) -> None:
    draw = random.Random(seed)
    videos, content, waiting, room = 5, 100, draw.choice([20, 5000]), draw.choice([400, 100_000])
    admission = config(videos, content, waiting, room)
    inside: dict[int, int] = {}
    most = Counter[str]()
    entered: dict[str, list[int]] = {}
    ends = Counter[str]()
    retries = [1.0]

    async def one(number: int, client: str) -> None:
        size = draw.randrange(60)
        deadline = draw.choice([None, None, asyncio.get_running_loop().time() + draw.random() * 20])
        try:
            async with admission.admit(client, size, deadline):
                inside[number] = size
                most["videos"] = max(most["videos"], len(inside))
                most["bytes"] = max(most["bytes"], sum(inside.values()))
                entered.setdefault(client, []).append(number)
                try:
                    await asyncio.sleep(draw.choice([0, 0.01, 0.5]))
                    if draw.random() < 0.05:
                        raise ZeroDivisionError
                finally:
                    del inside[number]
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
            tasks.append(asyncio.create_task(one(number, draw.choice("aaaaaaabbc"))))
            if draw.random() < 0.3:
                await asyncio.sleep(draw.choice([0, 0, 0.01, 0.1]))
            if draw.random() < 0.1:
                draw.choice(tasks[-40:]).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_leaping(main())
    assert (admission.inside, admission.waiting) == (0, 0)
    assert vars(admission)["_inside_bytes"] == vars(admission)["_waiting_bytes"] == 0
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


def test_everybody_without_a_deadline_is_admitted_in_the_end() -> None:
    async def main() -> int:
        admission, told = config(videos=3, waiting=5000), list[str]()
        tasks = [work(admission, f"client {number % 40}", told, takes_s=0.01) for number in range(4000)]
        await asyncio.gather(*tasks)
        return len(told)

    assert run_leaping(main()) == 4000
