"""Bearer tokens: creation, and refusal of malformed ones without quoting them."""

import hashlib

import pytest

from tagging.errors import UnauthenticatedError
from tagging.service.clients.tokens import PREFIX, bearer_token, new_token, token_sha256

TOKEN = PREFIX + "aB3_-" * 8 + "xyz"


def test_new_tokens_are_valid_and_unique() -> None:
    made = [new_token() for _ in range(1000)]
    assert len(set(made)) == 1000
    for token, digest in made:
        assert bearer_token([("authorization", f"Bearer {token}")]) == token
        assert digest == hashlib.sha256(token.encode()).hexdigest() == token_sha256(token)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_case_insensitive_and_the_token_is_case_sensitive(scheme: str) -> None:
    assert bearer_token([("authorization", f"{scheme} {TOKEN}")]) == TOKEN
    assert token_sha256(TOKEN) != token_sha256(TOKEN.lower())


def test_metadata_without_an_authorization_entry_have_no_token() -> None:
    assert bearer_token([]) is None
    assert bearer_token([("user-agent", "x"), ("authorization-bin", b"Bearer " + TOKEN.encode())]) is None


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  " + TOKEN,
        "Bearer\t" + TOKEN,
        " Bearer " + TOKEN,
        "Basic " + TOKEN,
        TOKEN,
        f"Bearer {TOKEN} ",
        f"Bearer {TOKEN}\n",
        f"Bearer {TOKEN}\r\nx-role: admin",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Bearer {TOKEN}=",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN[:-1]}é",
        f"Bearer {TOKEN[:-1]}\udcff",
        f"Bearer {TOKEN[:-1]}\0",
        f"Bearer {TOKEN[:-3]}１２３",
        "Bearer " + "a" * 1_000_000,
        b"Bearer " + TOKEN.encode(),
    ],
)
def test_a_malformed_token_is_refused_without_quoting_it(entry: str | bytes) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        bearer_token([("authorization", entry)])
    text = refused.value.message + refused.value.hint
    assert "aB3_" not in text
    assert len(text) < 200


@pytest.mark.parametrize("second", [f"Bearer {TOKEN}", "Basic x"])
def test_two_authorization_entries_are_refused_even_if_equal(second: str) -> None:
    with pytest.raises(UnauthenticatedError, match="2 'authorization' entries"):
        bearer_token([("authorization", f"Bearer {TOKEN}"), ("authorization", second)])
