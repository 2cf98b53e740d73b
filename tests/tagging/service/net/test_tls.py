"""TLS with real handshakes: client certificates, and renewal of certificates without a restart."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from grpc import StatusCode
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import InvalidConfigError
from tagging.service.clients.clients import Clients, ListedClients, OpenClients
from tagging.service.clients.current import caller
from tagging.service.clients.quotas import Quotas
from tagging.service.clients.roles import SERVICE, TAGGING
from tagging.service.clients.tokens import new_token
from tagging.service.config import TlsConfig
from tagging.service.interceptors.auth import AuthInterceptor
from tagging.service.interceptors.errors import ErrorInterceptor
from tagging.service.net.tls import ServerCertificate, TritonClientCertificate, warn_before_expiry
from tests.support.clocks import Clock

TOKEN, TOKEN_SHA256 = new_token()
FILE = f"""
[clients.by_certificate]
certificates = ["ingest.example.com", "ingest"]
roles = ["tag"]

[clients.by_token]
tokens_sha256 = ["{TOKEN_SHA256}"]
roles = ["tag"]
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def other() -> trustme.CA:
    return trustme.CA()


def write(
    folder: Path, authority: trustme.CA, client_ca: trustme.CA | None = None, ends: datetime | None = None
) -> TlsConfig:
    """Write a certificate for localhost, its key and the client authority to files."""
    issued = authority.issue_cert("localhost", not_after=ends)
    config = TlsConfig(
        certificate=folder / "server.pem", key=folder / "server.key", client_ca=folder / "ca.pem" if client_ca else None
    )
    config.certificate.write_bytes(chain(issued))
    config.key.write_bytes(issued.private_key_pem.bytes())
    if config.client_ca and client_ca:
        config.client_ca.write_bytes(client_ca.cert_pem.bytes())
    return config


def chain(issued: trustme.LeafCert) -> bytes:
    return b"".join(part.bytes() for part in issued.cert_chain_pems)


async def tag(_: pb.TagVideoRequest, __: Any) -> pb.TagVideoResponse:
    return pb.TagVideoResponse(video_id=caller().name)


@asynccontextmanager
async def serving(config: TlsConfig, clients: Clients, clock: Clock) -> AsyncIterator[str]:
    server = grpc.aio.server(interceptors=[ErrorInterceptor(), AuthInterceptor(TAGGING, clients, Quotas(clock))])
    handlers: dict[str, Any] = {
        "TagVideo": grpc.unary_unary_rpc_method_handler(
            tag, pb.TagVideoRequest.FromString, pb.TagVideoResponse.SerializeToString
        )
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    port = server.add_secure_port("127.0.0.1:0", ServerCertificate(config, clock).credentials())
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def identified_as(
    address: str,
    trusted: trustme.CA | None,
    presented: trustme.LeafCert | None = None,
    metadata: tuple[tuple[str, str], ...] = (),
) -> str | StatusCode:
    """Return the client name that the server derives, or the status code of its refusal.

    trusted: the authority that the client trusts; None connects without TLS
    """
    if trusted is None:
        channel = grpc.aio.insecure_channel(address)
    else:
        credentials = grpc.ssl_channel_credentials(
            trusted.cert_pem.bytes(),
            presented.private_key_pem.bytes() if presented else None,
            chain(presented) if presented else None,
        )
        options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.aio.secure_channel(address, credentials, options)
    async with channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/TagVideo")
        try:
            return pb.TagVideoResponse.FromString(await call(b"", timeout=20, metadata=metadata)).video_id
        except grpc.aio.AioRpcError as error:
            return error.code()


@pytest.fixture
def listed(tmp_path: Path) -> ListedClients:
    (tmp_path / "clients.toml").write_text(FILE)
    return ListedClients(tmp_path / "clients.toml")


def test_only_tls_clients_that_trust_the_server_connect(
    tmp_path: Path, authority: trustme.CA, other: trustme.CA
) -> None:
    async def main() -> list[str | StatusCode]:
        async with serving(write(tmp_path, authority), OpenClients(), Clock()) as address:
            return [await identified_as(address, trusted) for trusted in (authority, other, None)]

    assert asyncio.run(main()) == ["anybody", StatusCode.UNAVAILABLE, StatusCode.UNAVAILABLE]


def test_with_a_client_authority_a_client_without_a_certificate_cannot_connect(
    tmp_path: Path, authority: trustme.CA, other: trustme.CA
) -> None:
    certificates = [authority.issue_cert("any.example.com"), other.issue_cert("any.example.com"), None]

    async def main() -> list[str | StatusCode]:
        async with serving(write(tmp_path, authority, client_ca=authority), OpenClients(), Clock()) as address:
            return [await identified_as(address, authority, certificate) for certificate in certificates]

    assert asyncio.run(main()) == ["any.example.com", StatusCode.UNAVAILABLE, StatusCode.UNAVAILABLE]


def test_a_certificate_identifies_the_client_and_a_token_takes_precedence(
    tmp_path: Path, authority: trustme.CA, listed: ListedClients
) -> None:
    known, unknown = authority.issue_cert("ingest.example.com"), authority.issue_cert("else.example.com")
    by_common_name = authority.issue_cert(common_name="ingest")
    common_name_and_other = authority.issue_cert("else.example.com", common_name="ingest")
    token, bad = (("authorization", f"Bearer {TOKEN}"),), (("authorization", f"Bearer {new_token()[0]}"),)

    async def main() -> list[str | StatusCode]:
        async with serving(write(tmp_path, authority, client_ca=authority), listed, Clock()) as address:
            return [
                await identified_as(address, authority, known),
                await identified_as(address, authority, by_common_name),
                await identified_as(address, authority, unknown),
                await identified_as(address, authority, common_name_and_other),
                await identified_as(address, authority, unknown, token),
                await identified_as(address, authority, known, token),
                await identified_as(address, authority, known, bad),
            ]

    refused = StatusCode.UNAUTHENTICATED
    # a common name counts only without subject alternative names (RFC 9525)
    assert asyncio.run(main()) == ["by_certificate"] * 2 + [refused] * 2 + ["by_token"] * 2 + [refused]


def test_without_a_client_authority_certificates_are_ignored(
    tmp_path: Path, authority: trustme.CA, listed: ListedClients
) -> None:
    async def main() -> str | StatusCode:
        async with serving(write(tmp_path, authority), listed, Clock()) as address:
            return await identified_as(address, authority, authority.issue_cert("ingest.example.com"))

    assert asyncio.run(main()) == StatusCode.UNAUTHENTICATED


def test_valid_new_files_are_loaded_without_a_restart_and_invalid_ones_are_not(
    tmp_path: Path, authority: trustme.CA, other: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()

    async def main() -> list[str | StatusCode]:
        found = []
        config = write(tmp_path, authority)
        async with serving(config, OpenClients(), clock) as address:
            found += [await identified_as(address, authority)]
            write(tmp_path, other)
            clock.now += 1
            found += [await identified_as(address, authority), await identified_as(address, other)]
            config.key.write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())  # of another certificate
            clock.now += 1
            found += [await identified_as(address, other)]
        return found

    assert asyncio.run(main()) == ["anybody", StatusCode.UNAVAILABLE, "anybody", "anybody"]
    assert [record.levelname for record in caplog.records if record.name.startswith("tagging")] == ["ERROR"]


def test_a_new_client_authority_applies_to_new_connections(
    tmp_path: Path, authority: trustme.CA, other: trustme.CA
) -> None:
    clock = Clock()
    certificates = [issuer.issue_cert("any.example.com") for issuer in (authority, other)]

    async def main() -> list[str | StatusCode]:
        async with serving(write(tmp_path, authority, client_ca=authority), OpenClients(), clock) as address:
            before = [await identified_as(address, authority, certificate) for certificate in certificates]
            write(tmp_path, authority, client_ca=other)
            clock.now += 1
            return before + [await identified_as(address, authority, certificate) for certificate in certificates]

    away = StatusCode.UNAVAILABLE
    assert asyncio.run(main()) == ["any.example.com", away, away, "any.example.com"]


@pytest.mark.parametrize(
    "harm", ["no certificate", "no key", "other key", "junk", "empty", "password", "ca junk", "swap"]
)
def test_an_unusable_certificate_or_key_is_one_error(tmp_path: Path, authority: trustme.CA, harm: str) -> None:
    config = write(tmp_path, authority, client_ca=authority)
    assert config.client_ca is not None
    match harm:
        case "no certificate":
            config.certificate.unlink()
        case "no key":
            config.key.unlink()
        case "other key":
            config.key.write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())
        case "junk":
            config.certificate.write_bytes(b"\xff" * 100)
        case "empty":
            config.key.write_bytes(b"")
        case "password":
            key = serialization.load_pem_private_key(config.key.read_bytes(), None)
            encryption = serialization.BestAvailableEncryption(b"x")
            config.key.write_bytes(
                key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
            )
        case "ca junk":
            config.client_ca.write_bytes(b"junk")
        case "swap":
            config = config.model_copy(update={"key": config.certificate, "certificate": config.key})
    with pytest.raises(InvalidConfigError, match="are not a certificate and its key") as refused:
        ServerCertificate(config)
    assert "PRIVATE KEY" not in str(refused.value)


def test_private_keys_are_in_no_log_and_no_repr(
    tmp_path: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    config = write(tmp_path, authority)
    credentials = ServerCertificate(config).credentials()
    secret = config.key.read_text().splitlines()[1]
    assert secret not in caplog.text + repr(credentials) + repr(vars(credentials))


NOON = datetime(2031, 3, 1, 12, tzinfo=UTC)


def test_the_expiry_is_that_of_the_first_certificate_to_expire_and_is_updated(tmp_path: Path) -> None:
    clock, root = Clock(), trustme.CA()
    config = write(tmp_path, root, ends=NOON)
    certificate = ServerCertificate(config, clock)
    assert certificate.ends == NOON
    write(tmp_path, root, ends=NOON + timedelta(days=90))
    clock.now += 1
    assert certificate.ends == NOON + timedelta(days=90)
    short = root.issue_cert("between.example.com", not_after=NOON).cert_chain_pems[0].bytes()
    config.certificate.write_bytes(config.certificate.read_bytes() + short)
    clock.now += 1
    assert certificate.ends == NOON


@pytest.mark.parametrize(
    ("left_days", "logged_days"),
    [(15, []), (14, []), (13.5, [13.5, 12.5, 11.5]), (1, [1, 0, -1]), (-9, [-9, -10, -11])],
)
def test_a_certificate_that_expires_soon_is_logged_daily(
    tmp_path: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture, left_days: float, logged_days: list[float]
) -> None:
    certificate = ServerCertificate(write(tmp_path, authority, ends=NOON))
    now = NOON - timedelta(days=left_days)
    slept = list[float]()

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += timedelta(seconds=seconds)
        if len(slept) == max(len(logged_days), 1):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(warn_before_expiry(certificate, lambda: now, sleep))
    warned = [vars(record) for record in caplog.records]
    assert [record["days_left"] for record in warned] == logged_days
    assert all(record["levelname"] == "WARNING" and record["ends"] == NOON.isoformat() for record in warned)


def test_the_expiry_of_the_certificate_for_triton_follows_its_file(
    tmp_path: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    path = write(tmp_path, authority, ends=NOON).certificate
    certificate = TritonClientCertificate(path, clock)
    assert certificate.ends == NOON
    renewed = authority.issue_cert("service", not_after=NOON + timedelta(days=90)).cert_chain_pems[0].bytes()
    path.write_bytes(renewed)
    clock.now += 100
    assert certificate.ends == NOON + timedelta(days=90)
    path.unlink()
    clock.now += 100
    assert certificate.ends == NOON + timedelta(days=90)
    assert "changed files cannot be used" in caplog.text
    path.write_bytes(b"no certificate")
    clock.now += 100
    assert certificate.ends is None


def test_a_certificate_for_triton_that_is_missing_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match=r"tls\.crt cannot be read"):
        TritonClientCertificate(tmp_path / "tls.crt")
