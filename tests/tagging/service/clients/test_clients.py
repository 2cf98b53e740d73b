"""Identification of clients by token or certificate; credentials never appear in errors or logs."""

import logging
from pathlib import Path

import pytest

from tagging.errors import InvalidConfigError, UnauthenticatedError
from tagging.service.clients.clients import ANONYMOUS, ROLES, Client, ListedClients, OpenClients
from tagging.service.clients.tokens import Metadata, new_token
from tagging.service.config import QuotasConfig
from tests.support.clocks import Clock

INGEST, INGEST_SHA256 = new_token()
EDITOR, EDITOR_SHA256 = new_token()
FILE = f"""
[clients.ingest]
tokens_sha256 = ["{INGEST_SHA256}"]
certificates = ["ingest.example.com", "ingest2.example.com"]
roles = ["tag", "label"]
quotas = {{ calls_per_s = 50, burst_s = 2 }}

[clients."editor@example.com"]
tokens_sha256 = ["{EDITOR_SHA256}"]
certificates = ["editor"]
roles = ["edit"]
"""


def bearer(token: str) -> Metadata:
    return [("authorization", f"Bearer {token}")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "clients.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_token_identifies_its_client(path: Path) -> None:
    clients = ListedClients(path)
    quotas = QuotasConfig(calls_per_s=50, burst_s=2)
    assert clients.by_metadata(bearer(INGEST)) == Client("ingest", frozenset({"tag", "label"}), quotas)
    assert clients.by_metadata(bearer(EDITOR)) == Client("editor@example.com", frozenset({"edit"}))
    assert clients.by_metadata([]) is None


def test_an_unknown_token_is_refused_without_quoting_it(path: Path) -> None:
    unknown, _ = new_token()
    with pytest.raises(UnauthenticatedError, match=r"^unknown token$") as refused:
        ListedClients(path).by_metadata(bearer(unknown))
    assert unknown not in repr(refused.value) + refused.value.hint


def test_the_hash_is_not_accepted_as_a_token(path: Path) -> None:
    with pytest.raises(UnauthenticatedError):
        ListedClients(path).by_metadata(bearer(INGEST_SHA256))


def test_hashes_with_a_common_prefix_are_different(path: Path) -> None:
    unknown, digest = new_token()
    path.write_text(FILE.replace(INGEST_SHA256, digest[:-1] + ("0" if digest[-1] != "0" else "1")))
    with pytest.raises(UnauthenticatedError, match="unknown token"):
        ListedClients(path).by_metadata(bearer(unknown))


def test_a_certificate_identifies_its_client_by_any_of_its_names(path: Path) -> None:
    clients = ListedClients(path)
    assert clients.by_certificate(["ingest2.example.com", "elsewhere"]).name == "ingest"
    assert clients.by_certificate(["ingest.example.com", "ingest2.example.com"]).name == "ingest"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "^no token$"),
        (["INGEST.example.com"], "the certificate belongs to no client"),
        (["ingest"], "the certificate belongs to no client"),  # the name of the client, not of a certificate
        (["ingest.example.com", "editor"], "belongs to 2 clients"),
    ],
)
def test_other_certificates_are_refused(path: Path, names: list[str], message: str) -> None:
    with pytest.raises(UnauthenticatedError, match=message):
        ListedClients(path).by_certificate(names)


def test_without_a_clients_file_every_call_is_allowed_and_tokens_are_ignored() -> None:
    clients = OpenClients()
    clients.by_metadata([("authorization", "Basic nonsense")])  # does not raise
    assert clients.by_certificate([]) == Client(ANONYMOUS, ROLES)
    assert clients.by_certificate(["b", "a"]).name == "a"


def test_a_change_of_the_file_adds_and_removes_clients(path: Path) -> None:
    clock = Clock()
    clients = ListedClients(path, clock)
    token, digest = new_token()
    path.write_text(FILE.replace(INGEST_SHA256, digest))
    clock.now += 1
    client = clients.by_metadata(bearer(token))
    assert client is not None
    assert client.name == "ingest"
    with pytest.raises(UnauthenticatedError):
        clients.by_metadata(bearer(INGEST))


SECRET = "videotag_secret-that-somebody-wrote-where-its-hash-belongs"
BAD = [
    "clients",
    "",
    "[clients]",
    "\xff",
    "[clients.a]",
    '[clients.a]\nroles = ["tag"]',
    f'[clients.a]\nroles = ["king"]\ntokens_sha256 = ["{INGEST_SHA256}"]',
    f'[clients.a]\nroles = []\ntokens_sha256 = ["{INGEST_SHA256}"]',
    f'[clients.a]\nroles = ["tag"]\ntokens_sha256 = ["{SECRET}"]',
    f'[clients.a]\nroles = ["tag"]\ntokens_sha256 = "{SECRET}"',
    f'[clients.a]\nroles = ["tag"]\ntoken = "{SECRET}"',
    f'[clients.a]\nroles = ["tag"]\ntokens_sha256 = ["{INGEST_SHA256}", "{INGEST_SHA256}"]',
    f'[clients.a]\nroles = ["tag"]\ntokens_sha256 = ["{INGEST_SHA256.upper()}"]',
    f'[clients."a b"]\nroles = ["tag"]\ntokens_sha256 = ["{INGEST_SHA256}"]',
    f'[clients."a\\n"]\nroles = ["tag"]\ntokens_sha256 = ["{INGEST_SHA256}"]',
    f'[clients.a]\nroles = ["tag"]\ntokens_sha256 = ["{INGEST_SHA256}"]\nquotas = {{calls_per_s = nan}}',
    f'[clients.a]\nroles = ["tag"]\ntokens_sha256 = ["{INGEST_SHA256}"]\nquotas = {{calls_per_s = inf}}',
    f'[clients.a]\nroles = ["tag"]\ntokens_sha256 = ["{INGEST_SHA256}"]\nquotas = {{calls_per_s = 0}}',
    "x = " + "9" * 5000,
    "x = " + "[" * 5000,
    '[clients.a]\nroles = ["tag"]\ncertificates = ["x"]\n[clients.b]\nroles = ["tag"]\ncertificates = ["x"]',
]


@pytest.mark.parametrize("text", BAD)
def test_an_invalid_file_is_one_error_without_secrets(path: Path, text: str) -> None:
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InvalidConfigError, match=str(path)) as refused:
        ListedClients(path)
    assert SECRET not in str(refused.value) + refused.value.hint
    assert len(refused.value.message) < 500


@pytest.mark.parametrize("text", BAD)
def test_an_invalid_new_file_is_logged_without_secrets_and_the_old_one_stays_in_use(
    path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    clients = ListedClients(path, clock)
    path.write_text(text, encoding="latin-1")
    for _ in range(3):
        clock.now += 1
        assert clients.by_metadata(bearer(INGEST)) is not None
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert str(path) in vars(record)["files"]
    assert SECRET not in str(vars(record))


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match=r"absent\.toml"):
        ListedClients(tmp_path / "absent.toml")
