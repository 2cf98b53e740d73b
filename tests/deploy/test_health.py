"""The health probe of the container image, against a real server."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
import grpc
import pytest
import trustme
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from tagging.service.clients.roles import SERVICE
from tagging.service.observe.health import Health
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.anyio
PROBE = REPOSITORY / "deploy" / "docker" / "health.py"


async def probe(*arguments: str | Path) -> tuple[int, str]:
    """Run the probe; return its exit code and what it printed."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, PROBE, *arguments], capture_output=True, text=True, check=False)

    done = await anyio.to_thread.run_sync(run)
    return done.returncode, done.stdout + done.stderr


@asynccontextmanager
async def serving(health: Health, add_port: Callable[[grpc.aio.Server], int]) -> AsyncIterator[str]:
    server = grpc.aio.server()
    add_HealthServicer_to_server(health, server)
    port = add_port(server)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_the_probe_succeeds_only_while_the_service_is_serving() -> None:
    health = Health(SERVICE)
    async with serving(health, lambda server: server.add_insecure_port("127.0.0.1:0")) as address:
        assert await probe(address) == (1, "NOT_SERVING\n")
        health.warm()
        assert await probe(address) == (0, "SERVING\n")
        health.drain()
        assert await probe(address) == (1, "NOT_SERVING\n")


async def test_an_address_without_a_server_fails() -> None:
    code, printed = await probe("127.0.0.1:1")
    assert code == 1
    assert "127.0.0.1:1" in printed


async def test_the_probe_presents_a_certificate_and_checks_that_of_the_service(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    issued, own = authority.issue_cert("service.example.com"), authority.issue_cert("probe.example.com")
    for name, pem in (
        ("ca.pem", authority.cert_pem),
        ("other.pem", other.cert_pem),
        ("own.pem", own.cert_chain_pems[0]),
        ("own.key", own.private_key_pem),
    ):
        pem.write_to_path(tmp_path / name)
    credentials = grpc.ssl_server_credentials(
        [(issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())],
        root_certificates=authority.cert_pem.bytes(),
        require_client_auth=True,
    )
    health = Health(SERVICE)
    health.warm()
    async with serving(health, lambda server: server.add_secure_port("127.0.0.1:0", credentials)) as address:
        named = (address, "--server-name", "service.example.com", "--ca")
        presented = ("--certificate", tmp_path / "own.pem", "--key", tmp_path / "own.key")
        assert await probe(*named, tmp_path / "ca.pem", *presented) == (0, "SERVING\n")
        for wrong in (
            (*named, tmp_path / "other.pem", *presented),
            (*named, tmp_path / "ca.pem"),
            (address, "--ca", tmp_path / "ca.pem", *presented),
        ):
            code, printed = await probe(*wrong)
            assert (code, "SERVING" in printed) == (1, False)
