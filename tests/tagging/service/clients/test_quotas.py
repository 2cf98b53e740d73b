"""Nobody gets more than its rate, and whoever waits as long as it was told gets its turn."""

import random

import pytest

from tagging.errors import QuotaExceededError
from tagging.service.clients.clients import ROLES, Client
from tagging.service.clients.quotas import Quotas
from tagging.service.config import QuotasConfig
from tests.support.clocks import Clock


def client(name: str = "ingest", **quotas: float) -> Client:
    return Client(name, ROLES, QuotasConfig.model_validate(quotas))


def refused_for(quotas: Quotas, who: Client, size: int = 0) -> float:
    """Seconds until a call would be let in; zero: it was."""
    try:
        quotas.take(who, size)
    except QuotaExceededError as error:
        return error.retry_after_s
    return 0.0


def test_a_client_without_quotas_is_not_limited() -> None:
    quotas = Quotas(Clock())
    assert not any(refused_for(quotas, client(), 10**12) for _ in range(1000))
    assert not any(quotas.reserve(client(), 10**12) for _ in range(1000))


def test_a_burst_passes_and_the_next_call_is_refused_with_a_retry_delay() -> None:
    clock = Clock()
    quotas, who = Quotas(clock), client(calls_per_s=4, burst_s=5)
    assert [refused_for(quotas, who) for _ in range(20)] == [0] * 20
    assert refused_for(quotas, who) == pytest.approx(0.25)
    clock.now += 0.1
    assert refused_for(quotas, who) == pytest.approx(0.15)
    clock.now += 0.15
    assert refused_for(quotas, who) == 0
    assert refused_for(quotas, who) == pytest.approx(0.25)


def test_the_error_names_the_client_and_its_rate() -> None:
    quotas, who = Quotas(Clock()), client(calls_per_s=1, burst_s=1)
    quotas.take(who, 0)
    with pytest.raises(QuotaExceededError, match="ingest may have 1 calls a second"):
        quotas.take(who, 0)


def test_a_bucket_smaller_than_one_call_still_admits_one() -> None:
    clock = Clock()
    quotas, who = Quotas(clock), client(calls_per_s=0.01, burst_s=1)
    assert refused_for(quotas, who) == 0
    assert refused_for(quotas, who) == pytest.approx(100)


def test_a_message_larger_than_the_bucket_passes_a_full_bucket_and_leaves_a_debt() -> None:
    clock = Clock()
    quotas, who = Quotas(clock), client(bytes_per_s=10, burst_s=10)
    assert refused_for(quotas, who, 500) == 0
    assert refused_for(quotas, who, 1) == pytest.approx((400 + 1) / 10)
    assert refused_for(quotas, who, 500) == pytest.approx((400 + 100) / 10)


def test_a_call_refused_by_one_quota_is_charged_to_none() -> None:
    clock = Clock()
    quotas, who = Quotas(clock), client(calls_per_s=1, bytes_per_s=1, burst_s=10)
    quotas.take(who, 10)
    for _ in range(50):
        assert refused_for(quotas, who, 10) > 0
    assert [refused_for(quotas, who) for _ in range(9)] == [0] * 9


def test_media_are_charged_after_decoding_and_delay_later_calls() -> None:
    clock = Clock()
    quotas, who = Quotas(clock), client(media_s_per_s=60, burst_s=10)
    assert refused_for(quotas, who) == 0
    quotas.used_media(who, 600)
    assert refused_for(quotas, who) == 0  # used up, and not overdrawn
    quotas.used_media(who, 1200)
    assert refused_for(quotas, who) == pytest.approx(20)
    clock.now += 20
    assert refused_for(quotas, who) == 0


def test_each_client_has_buckets_of_its_own() -> None:
    quotas = Quotas(Clock())
    assert refused_for(quotas, client("a", calls_per_s=1, burst_s=1)) == 0
    assert refused_for(quotas, client("b", calls_per_s=1, burst_s=1)) == 0
    assert refused_for(quotas, client("a", calls_per_s=1, burst_s=1)) > 0


def test_changed_quotas_take_effect() -> None:
    quotas = Quotas(Clock())
    assert refused_for(quotas, client(calls_per_s=1, burst_s=1)) == 0
    assert refused_for(quotas, client(calls_per_s=1, burst_s=1)) > 0
    assert [refused_for(quotas, client(calls_per_s=3, burst_s=1)) for _ in range(3)] == [0] * 3
    assert refused_for(quotas, client(calls_per_s=3, burst_s=1)) > 0


@pytest.mark.parametrize("seed", range(5))
def test_a_client_that_waits_the_retry_delay_is_admitted_and_none_exceeds_its_rate(seed: int) -> None:
    draw, clock = random.Random(seed), Clock()
    quotas, who = Quotas(clock), client(calls_per_s=draw.uniform(0.1, 50), bytes_per_s=1000.0, burst_s=2.0)
    begun, size_taken = clock.now, 0
    for taken in range(1, 2001):
        size = draw.randrange(0, 3000)
        wait_s = refused_for(quotas, who, size)
        if wait_s:
            clock.now += wait_s
            assert refused_for(quotas, who, size) == 0
        size_taken += size
        clock.now += draw.choice([0, 0, 0.01, 1.0])
        passed_s = clock.now - begun
        assert taken <= max(2 * (who.quotas.calls_per_s or 0), 1) + passed_s * (who.quotas.calls_per_s or 0) + 1e-3
        assert size_taken <= 2000 + passed_s * 1000 + 3000  # the burst, and the debt of one


def test_messages_of_streams_wait_one_after_another() -> None:
    quotas, who = Quotas(Clock()), client(calls_per_s=2, burst_s=1)
    assert [quotas.reserve(who, 0) for _ in range(6)] == pytest.approx([0, 0, 0.5, 1.0, 1.5, 2.0])


def test_only_inactive_clients_are_forgotten() -> None:
    clock = Clock()
    quotas, busy = Quotas(clock), client("busy", calls_per_s=1e-4, burst_s=1)
    quotas.take(busy, 0)
    for number in range(10_000):
        quotas.take(client(f"client {number}", calls_per_s=1, burst_s=1), 0)
        clock.now += 0.1
    assert len(vars(quotas)["_buckets"]) <= 64
    assert refused_for(quotas, busy) > 0


def test_media_of_a_stream_are_charged_to_the_current_quotas() -> None:
    quotas = Quotas(Clock())
    began, today = client(calls_per_s=1000, media_s_per_s=1000), client(calls_per_s=1, media_s_per_s=1, burst_s=1)
    for _ in range(3):
        quotas.reserve(today, 0)
        quotas.used_media(began, 5)
    assert refused_for(quotas, today) == pytest.approx(14)  # 15 were used of the 1 that there was
