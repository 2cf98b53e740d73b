"""The log of models on Triton that fail, and what the listener of their states gets."""

import pytest

from tagging.features.triton.availability import REASONS, Availability


def whys(log: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The models that fail and why, as they were logged."""
    return [(vars(record)["model"], vars(record)["why"]) for record in log.records if record.levelname == "ERROR"]


def test_each_reason_of_a_model_is_logged_once_until_it_works_again(caplog: pytest.LogCaptureFixture) -> None:
    availability = Availability()
    for why in ("away", "away", "expired", "away", "expired"):
        availability.failed("text", why)
    availability.failed("frames", "away")
    assert whys(caplog) == [("text", "away"), ("text", "expired"), ("frames", "away")]
    availability.worked("text")
    availability.failed("text", "expired")
    assert whys(caplog)[3:] == [("text", "expired")]
    assert availability.failures == 7


def test_reasons_that_quote_requests_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    availability = Availability()
    for number in range(2 * REASONS):
        availability.failed("text", f"a shape of {number}")
    assert len(whys(caplog)) == REASONS


def test_an_error_that_quotes_a_logged_reason_is_not_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    availability = Availability()
    for why in ("away", "grpcs://triton:8001: text version 1 is away: away"):
        availability.failed("text", why)
    assert (availability.failures, whys(caplog)) == (2, [("text", "away")])


def test_the_listener_gets_changes_of_the_failing_models_only() -> None:
    availability, heard = Availability(), list[set[str]]()
    availability.listener = lambda failing: heard.append(set(failing))
    for why in ("away", "expired"):
        availability.failed("text", why)
    for _ in range(2):
        availability.worked("text")
    assert heard == [{"text"}, set()]
