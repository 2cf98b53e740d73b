"""TLS to Triton with real handshakes: authorities, client certificates, their renewal, and files that are not such."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import pytest
import trustme
from numpy.typing import NDArray

from tagging import concurrency
from tagging.errors import BackendUnavailableError, InvalidConfigError, VideotagError
from tagging.features.networks.contract import text_model
from tagging.features.networks.encoders import padded
from tagging.features.triton.client import TritonClient
from tagging.features.triton.endpoint import Endpoint, TritonTls
from tagging.features.triton.model import TritonModel
from tests.support.kserve import ADDRESS, DIM, FINGERPRINT, serving

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TOKENS = [[4, 9, 2], [17]]
WANT = np.array([[15, 3], [17, 1]], np.float32)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def other() -> trustme.CA:
    return trustme.CA()


def credentials(
    authority: trustme.CA, clients: trustme.CA | None = None, name: str = ADDRESS, ends: datetime | None = None
) -> grpc.ServerCredentials:
    """Return a server's; clients: the authority of client certificates, which are then required."""
    issued = authority.issue_cert(name, not_after=ends)
    pairs = [(issued.private_key_pem.bytes(), chain(issued))]
    known = None if clients is None else clients.cert_pem.bytes()
    return grpc.ssl_server_credentials(pairs, known, clients is not None)


def chain(issued: trustme.LeafCert) -> bytes:
    return b"".join(part.bytes() for part in issued.cert_chain_pems)


def files(
    folder: Path, authority: trustme.CA, client: trustme.CA | None = None, ends: datetime | None = None
) -> TritonTls:
    """Write a client's files; client: the authority of its certificate."""
    tls = TritonTls(ca=folder / "ca.pem")
    tls.ca.write_bytes(authority.cert_pem.bytes())
    if client is None:
        return tls
    issued = client.issue_cert("videotag", not_after=ends)
    certificate, key = folder / "client.pem", folder / "client.key"
    certificate.write_bytes(chain(issued))
    key.write_bytes(issued.private_key_pem.bytes())
    return TritonTls(ca=tls.ca, certificate=certificate, key=key)


def rows(port: int, tls: TritonTls) -> NDArray[np.float32]:
    with TritonClient(f"grpcs://{ADDRESS}:{port}", tls) as client:
        return TritonModel.find(client, text_model(DIM), FINGERPRINT).rows(padded(TOKENS))


def refusal(port: int, tls: TritonTls) -> VideotagError:
    """Return the error of a client without a deadline: it must not wait for a server that will not change its mind."""
    with pytest.raises(BackendUnavailableError) as raised:
        rows(port, tls)
    assert "the TLS handshake fails" in raised.value.message
    assert "--grpc-root-cert" in (raised.value.hint or "")
    return raised.value


def test_a_server_of_the_authority_is_called(authority: trustme.CA, tmp_path: Path) -> None:
    with serving(credentials(authority)) as port:
        np.testing.assert_array_equal(rows(port, files(tmp_path, authority)), WANT)


def test_a_server_that_wants_certificates_is_called_with_one(
    authority: trustme.CA, other: trustme.CA, tmp_path: Path
) -> None:
    with serving(credentials(authority, clients=other)) as port:
        np.testing.assert_array_equal(rows(port, files(tmp_path, authority, client=other)), WANT)


def test_a_server_of_another_authority_is_refused(authority: trustme.CA, other: trustme.CA, tmp_path: Path) -> None:
    with serving(credentials(other)) as port:
        assert "unable to get local issuer" in refusal(port, files(tmp_path, authority)).message


def test_a_server_with_another_name_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    with serving(credentials(authority, name="triton.example.com")) as port:
        assert "not valid for '127.0.0.1'" in refusal(port, files(tmp_path, authority)).message


def test_a_server_whose_certificate_has_expired_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    with serving(credentials(authority, ends=LONG_AGO)) as port:
        assert "certificate has expired" in refusal(port, files(tmp_path, authority)).message


def test_a_client_without_the_certificate_that_the_server_wants_is_told_so(
    authority: trustme.CA, tmp_path: Path
) -> None:
    with serving(credentials(authority, clients=authority)) as port:
        assert "without a client certificate" in refusal(port, files(tmp_path, authority)).message


@pytest.mark.parametrize(("is_known", "ends"), [(False, None), (True, LONG_AGO)])
def test_a_client_whose_certificate_the_server_refuses_is_told_so(
    is_known: bool, ends: datetime | None, authority: trustme.CA, other: trustme.CA, tmp_path: Path
) -> None:
    with serving(credentials(authority, clients=authority)) as port:
        client = authority if is_known else other
        assert "certificate" in refusal(port, files(tmp_path, authority, client, ends)).message


def test_a_server_without_tls_is_told_apart_from_one_that_is_away(authority: trustme.CA, tmp_path: Path) -> None:
    with serving(None) as port:
        assert "the TLS handshake fails" in refusal(port, files(tmp_path, authority)).message


def test_a_server_that_is_away_is_waited_for(authority: trustme.CA, tmp_path: Path) -> None:
    with serving(credentials(authority)) as port:
        pass
    with deadline(0.3), pytest.raises(VideotagError) as raised:
        rows(port, files(tmp_path, authority))
    assert "handshake" not in raised.value.message


def test_a_certificate_that_has_expired_is_in_the_log_once_though_the_server_was_away_before(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(credentials(authority)) as port:
        client = TritonClient(f"grpcs://{ADDRESS}:{port}", files(tmp_path, authority))
        model = TritonModel.find(client, text_model(DIM), FINGERPRINT)
    with client:
        with deadline(0.3), pytest.raises(BackendUnavailableError):
            model.rows(padded(TOKENS))
        with serving(credentials(authority, ends=LONG_AGO), port):
            for _ in range(2):
                with pytest.raises(BackendUnavailableError):
                    model.rows(padded(TOKENS))
                assert not model.works()
    whys = [vars(record)["why"] for record in caplog.records if record.message == "a model of Triton fails"]
    assert [why for why in whys if "certificate" in why.lower()] == ["the TLS handshake fails: certificate has expired"]


def test_renewed_certificates_are_used_without_a_restart(
    authority: trustme.CA, other: trustme.CA, tmp_path: Path
) -> None:
    tls = files(tmp_path, authority, client=authority)
    with serving(credentials(authority, clients=authority)) as port:
        client = TritonClient(f"grpcs://{ADDRESS}:{port}", tls)
        model = TritonModel.find(client, text_model(DIM), FINGERPRINT)
    with client, serving(credentials(other, clients=other), port):
        files(tmp_path, other, client=other)
        np.testing.assert_array_equal(model.rows(padded(TOKENS)), WANT)
        (tmp_path / "client.key").write_bytes(b"")  # half a renewal: the connection stays
        np.testing.assert_array_equal(model.rows(padded(TOKENS)), WANT)


@pytest.mark.parametrize("name", ["ca.pem", "client.pem", "client.key"])
@pytest.mark.parametrize("content", [b"", b"no certificate", None])
def test_files_that_are_no_certificates_are_refused_at_once(
    name: str, content: bytes | None, authority: trustme.CA, tmp_path: Path
) -> None:
    tls = files(tmp_path, authority, client=authority)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidConfigError, match=f"{name}.* cannot be used for TLS to Triton"):
        TritonClient("grpcs://127.0.0.1:1", tls)


def test_a_key_of_another_certificate_is_refused_at_once(authority: trustme.CA, tmp_path: Path) -> None:
    tls = files(tmp_path, authority, client=authority)
    (tmp_path / "client.key").write_bytes(authority.issue_cert("videotag").private_key_pem.bytes())
    with pytest.raises(InvalidConfigError, match="mismatch"):
        TritonClient("grpcs://127.0.0.1:1", tls)


@pytest.mark.parametrize("url", ["127.0.0.1:8001", "http://host:8001", "grpc://host", "grpc://host:70000", "grpc://"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidConfigError, match="no address of Triton"):
        Endpoint.of(url)


def test_addresses_are_hosts_with_ports() -> None:
    assert Endpoint.of("grpc://triton.models.svc:8001").address == "triton.models.svc:8001"
    assert Endpoint.of("grpcs://[::1]:8001", TritonTls(ca=Path("ca.pem"))).address == "[::1]:8001"


@pytest.mark.parametrize(
    ("url", "tls", "message"),
    [
        ("grpcs://host:8001", None, "needs the authority"),
        ("grpc://host:8001", TritonTls(ca=Path("ca.pem")), "without TLS"),
        ("grpcs://host:8001", TritonTls(ca=Path("ca.pem"), key=Path("key.pem")), "belong together"),
    ],
)
def test_an_address_and_files_that_do_not_go_together_are_refused(
    url: str, tls: TritonTls | None, message: str
) -> None:
    with pytest.raises(InvalidConfigError, match=message):
        Endpoint.of(url, tls)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    concurrency.set_deadline(seconds)
    try:
        yield
    finally:
        concurrency.set_deadline(None)
