"""Quotas as token buckets: no client exceeds its rate, and one that waits the retry delay is admitted."""

import random

import pytest

from tagging.errors import QuotaExceededError
from tagging.service.clients.clients import ROLES, Client
from tagging.service.clients.quotas import Quotas
from tagging.service.config import QuotasConfig
from tests.support.clocks import Clock


def client(name: str = "ingest", **quotas: float) -> Client:
    return Client(name, ROLES, QuotasConfig.model_validate(quotas))


def retry_delay_s(quotas: Quotas, ingest: Client, size: int = 0) -> float:
    """Return the seconds until a call would be admitted; 0 if it was."""
    try:
        quotas.take(ingest, size)
    except QuotaExceededError as error:
        return error.retry_after_s
    return 0.0


def test_a_client_without_quotas_is_not_limited() -> None:
    quotas = Quotas(Clock())
    assert not any(retry_delay_s(quotas, client(), 10**12) for _ in range(1000))
    assert not any(quotas.reserve(client(), 10**12) for _ in range(1000))


def test_a_burst_passes_and_the_next_call_is_refused_with_a_retry_delay() -> None:
    clock = Clock()
    quotas, ingest = Quotas(clock), client(calls_per_s=4, burst_s=5)
    assert [retry_delay_s(quotas, ingest) for _ in range(20)] == [0] * 20
    assert retry_delay_s(quotas, ingest) == pytest.approx(0.25)
    clock.now += 0.1
    assert retry_delay_s(quotas, ingest) == pytest.approx(0.15)
    clock.now += 0.15
    assert retry_delay_s(quotas, ingest) == 0
    assert retry_delay_s(quotas, ingest) == pytest.approx(0.25)


def test_the_error_names_the_client_and_its_rate() -> None:
    quotas, ingest = Quotas(Clock()), client(calls_per_s=1, burst_s=1)
    quotas.take(ingest, 0)
    with pytest.raises(QuotaExceededError, match="ingest is limited to 1 calls per second"):
        quotas.take(ingest, 0)


def test_a_bucket_smaller_than_one_call_still_admits_one() -> None:
    clock = Clock()
    quotas, ingest = Quotas(clock), client(calls_per_s=0.01, burst_s=1)
    assert retry_delay_s(quotas, ingest) == 0
    assert retry_delay_s(quotas, ingest) == pytest.approx(100)


def test_a_message_larger_than_the_bucket_passes_a_full_bucket_and_leaves_a_debt() -> None:
    clock = Clock()
    quotas, ingest = Quotas(clock), client(bytes_per_s=10, burst_s=10)
    assert retry_delay_s(quotas, ingest, 500) == 0
    assert retry_delay_s(quotas, ingest, 1) == pytest.approx((400 + 1) / 10)
    assert retry_delay_s(quotas, ingest, 500) == pytest.approx((400 + 100) / 10)


def test_a_call_refused_by_one_quota_is_charged_to_none() -> None:
    clock = Clock()
    quotas, ingest = Quotas(clock), client(calls_per_s=1, bytes_per_s=1, burst_s=10)
    quotas.take(ingest, 10)
    for _ in range(50):
        assert retry_delay_s(quotas, ingest, 10) > 0
    assert [retry_delay_s(quotas, ingest) for _ in range(9)] == [0] * 9


def test_media_are_charged_after_decoding_and_delay_later_calls() -> None:
    clock = Clock()
    quotas, ingest = Quotas(clock), client(media_s_per_s=60, burst_s=10)
    assert retry_delay_s(quotas, ingest) == 0
    quotas.used_media(ingest, 600)
    assert retry_delay_s(quotas, ingest) == 0  # used up but not overdrawn
    quotas.used_media(ingest, 1200)
    assert retry_delay_s(quotas, ingest) == pytest.approx(20)
    clock.now += 20
    assert retry_delay_s(quotas, ingest) == 0


def test_each_client_has_buckets_of_its_own() -> None:
    quotas = Quotas(Clock())
    assert retry_delay_s(quotas, client("a", calls_per_s=1, burst_s=1)) == 0
    assert retry_delay_s(quotas, client("b", calls_per_s=1, burst_s=1)) == 0
    assert retry_delay_s(quotas, client("a", calls_per_s=1, burst_s=1)) > 0


def test_changed_quotas_take_effect() -> None:
    quotas = Quotas(Clock())
    assert retry_delay_s(quotas, client(calls_per_s=1, burst_s=1)) == 0
    assert retry_delay_s(quotas, client(calls_per_s=1, burst_s=1)) > 0
    assert [retry_delay_s(quotas, client(calls_per_s=3, burst_s=1)) for _ in range(3)] == [0] * 3
    assert retry_delay_s(quotas, client(calls_per_s=3, burst_s=1)) > 0


@pytest.mark.parametrize("seed", range(5))
def test_a_client_that_waits_the_retry_delay_is_admitted_and_none_exceeds_its_rate(seed: int) -> None:
    draw, clock = random.Random(seed), Clock()
    quotas, ingest = Quotas(clock), client(calls_per_s=draw.uniform(0.1, 50), bytes_per_s=1000.0, burst_s=2.0)
    begun, size_taken = clock.now, 0
    for taken in range(1, 2001):
        size = draw.randrange(0, 3000)
        wait_s = retry_delay_s(quotas, ingest, size)
        if wait_s:
            clock.now += wait_s
            assert retry_delay_s(quotas, ingest, size) == 0
        size_taken += size
        clock.now += draw.choice([0, 0, 0.01, 1.0])
        passed_s = clock.now - begun
        assert (
            taken <= max(2 * (ingest.quotas.calls_per_s or 0), 1) + passed_s * (ingest.quotas.calls_per_s or 0) + 1e-3
        )
        assert size_taken <= 2000 + passed_s * 1000 + 3000  # the burst, and the debt of one message


def test_messages_of_streams_wait_one_after_another() -> None:
    quotas, ingest = Quotas(Clock()), client(calls_per_s=2, burst_s=1)
    assert [quotas.reserve(ingest, 0) for _ in range(6)] == pytest.approx([0, 0, 0.5, 1.0, 1.5, 2.0])


def test_only_inactive_clients_are_forgotten() -> None:
    clock = Clock()
    quotas, busy = Quotas(clock), client("busy", calls_per_s=1e-4, burst_s=1)
    quotas.take(busy, 0)
    for number in range(10_000):
        quotas.take(client(f"client {number}", calls_per_s=1, burst_s=1), 0)
        clock.now += 0.1
    assert len(vars(quotas)["_buckets"]) <= 64
    assert retry_delay_s(quotas, busy) > 0


def test_media_of_a_stream_are_charged_to_the_current_quotas() -> None:
    quotas = Quotas(Clock())
    before, current = client(calls_per_s=1000, media_s_per_s=1000), client(calls_per_s=1, media_s_per_s=1, burst_s=1)
    for _ in range(3):
        quotas.reserve(current, 0)
        quotas.used_media(before, 5)
    assert retry_delay_s(quotas, current) == pytest.approx(14)  # 15 s were used of an allowance of 1 s
