"""Mutual TLS to a real Triton server, with the options of deploy/: refusals, and certificates that are renewed."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.errors import BackendUnavailableError
from tagging.features.triton.endpoint import TritonTls
from tagging.pipeline.load import load_tagger
from tagging.service.config import HealthConfig, ServiceConfig, TlsConfig
from tagging.service.server import serving
from tagging.types import VideoRef
from tests.support.media_files import Film, make
from tests.support.paths import REPOSITORY
from tests.support.polling import wait_until_async
from tests.support.service import Client, refused, service_config
from tests.support.triton import MISSING, TritonServer, environment

pytestmark = [pytest.mark.anyio, pytest.mark.triton, pytest.mark.skipif(environment() is None, reason=MISSING)]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TITLE = "a beagle plays the piano"


def write(folder: Path, trusted: Sequence[trustme.CA], issuer: trustme.CA, ends: datetime | None = None) -> Path:
    """Write ca.crt, tls.crt and tls.key by rename, as cert-manager names them; return the folder."""
    issued = issuer.issue_cert("127.0.0.1", not_after=ends)
    contents = {
        "ca.crt": b"".join(authority.cert_pem.bytes() for authority in trusted),
        "tls.crt": b"".join(part.bytes() for part in issued.cert_chain_pems),
        "tls.key": issued.private_key_pem.bytes(),
    }
    folder.mkdir(exist_ok=True)
    for file, content in contents.items():
        (folder / f"{file}.new").write_bytes(content)
        (folder / f"{file}.new").replace(folder / file)
    return folder


def tls_options(certificates: Path) -> list[str]:
    """Return the options that compose.triton-tls.yaml gives to Triton, with the files of another folder."""
    composed = yaml.safe_load((REPOSITORY / "deploy/compose/compose.triton-tls.yaml").read_text(encoding="utf-8"))
    options = [option for option in composed["services"]["triton"]["command"] if option.startswith("--grpc-")]
    assert len(options) == 5
    return [option.replace("=/certificates/", f"={certificates}/") for option in options]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def triton(
    repositories: tuple[Path, Path], authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TritonServer, Path]]:
    """A server, and the folder of its certificates."""
    folder = write(tmp_path_factory.mktemp("tls") / "triton", [authority], authority)
    server = TritonServer(repositories[0], ["text", "frames", "audio"], tls_options(folder))
    yield server, folder
    server.remove()


def configured(
    root: Path, bundle: Path, server: TritonServer, certificates: Path, host: str = "127.0.0.1"
) -> ServiceConfig:
    """Return the configuration of a service with TLS on both sides."""
    config = service_config(root, bundle, root)
    names = {"ca": "ca.crt", "certificate": "tls.crt", "key": "tls.key"}
    return config.model_copy(
        update={
            "triton": f"grpcs://{host}:{server.grpc}",
            "triton_tls": TritonTls(**{field: certificates / name for field, name in names.items()}),
            "listen": config.listen.model_copy(
                update={"tls": TlsConfig(certificate=certificates / "tls.crt", key=certificates / "tls.key")}
            ),
            "observe": config.observe.model_copy(update={"health": HealthConfig(check_every_s=0.1)}),
        }
    )


@asynccontextmanager
async def service(config: ServiceConfig) -> AsyncIterator[Client]:
    assert config.bundles is not None
    assert config.triton_tls is not None
    bundle = config.bundles / "one"
    trusted = grpc.ssl_channel_credentials(config.triton_tls.ca.read_bytes())
    async with serving(bundle, config) as running:  # noqa: SIM117 - the service outlives its client
        async with grpc.aio.secure_channel(f"127.0.0.1:{running.port}", trusted) as channel:
            yield Client(rpc.TaggingServiceStub(channel), channel, bundle, config, running.port)


async def test_titles_and_clips_are_tagged_over_tls_on_both_sides(
    triton: tuple[TritonServer, Path], bundles: tuple[Path, Path], authority: trustme.CA, tmp_path: Path
) -> None:
    server, _ = triton
    files = write(tmp_path / "videotag", [authority], authority)
    make(tmp_path / "clip.mp4", Film(frames=20, tone_s=2.0))
    with load_tagger(bundles[0]) as local:
        want = [tag.name for tag in local.tag(VideoRef("a", title=TITLE), local.selection(50, min_confidence=0.0)).tags]
    async with service(configured(tmp_path, bundles[0], server, files)) as client:
        assert await client.names("a", TITLE) == want
        clip = await client.tag("b", content=(tmp_path / "clip.mp4").read_bytes())
        assert set(clip.modalities) == {pb.MODALITY_FRAMES, pb.MODALITY_AUDIO}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            "another authority of Triton",
            "local issuer certificate|self-signed certificate",
        ),
        ("another host", "not valid for 'localhost'"),
        ("another authority of the client", "without a client certificate that it accepts|unknown ca"),
        ("expired", "without a client certificate that it accepts|certificate expired"),
    ],
)
async def test_a_certificate_that_either_side_refuses_ends_the_start_with_the_reason(
    fault: str,
    reason: str,
    triton: tuple[TritonServer, Path],
    bundles: tuple[Path, Path],
    authority: trustme.CA,
    tmp_path: Path,
) -> None:
    server, _ = triton
    trusted = trustme.CA() if fault == "another authority of Triton" else authority
    issuer = trustme.CA() if fault == "another authority of the client" else authority
    files = write(tmp_path / "videotag", [trusted], issuer, ends=LONG_AGO if fault == "expired" else None)
    host = "localhost" if fault == "another host" else "127.0.0.1"
    config = configured(tmp_path, bundles[0], server, files, host)
    with pytest.raises(BackendUnavailableError, match=f"the TLS handshake fails: .*({reason})"):
        async with service(config):
            pass


async def test_certificates_are_renewed_without_a_lost_call_and_expired_ones_are_told(
    triton: tuple[TritonServer, Path], bundles: tuple[Path, Path], authority: trustme.CA, tmp_path: Path
) -> None:
    server, certificates = triton
    files = write(tmp_path / "videotag", [authority], authority)

    async def restart() -> None:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)

    async with service(configured(tmp_path, bundles[0], server, files)) as client:
        want = await client.names("before", TITLE)
        answers: list[list[str]] = []
        stop = asyncio.Event()

        async def tag_on() -> None:
            while not stop.is_set():
                answers.append(await client.names(f"video-{len(answers)}", TITLE))

        calling = asyncio.create_task(tag_on())
        renewed = trustme.CA()
        # A new authority is trusted by both sides before either shows a certificate of it.
        for issuer in (authority, renewed):
            for folder in (certificates, files):
                write(folder, [authority, renewed], issuer)
            await restart()
        done = len(answers)
        await wait_until_async(lambda: len(answers) > done + 20 or calling.done())
        stop.set()
        await calling
        assert answers == [want] * len(answers)

        write(certificates, [renewed], renewed, ends=LONG_AGO)
        await restart()
        async with refused(grpc.StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE") as messages:
            await client.names("expired", TITLE)
        assert messages[0].endswith("the TLS handshake fails: certificate has expired")
        health: Any = health_pb2_grpc.HealthStub(client.channel)  # type: ignore[no-untyped-call, unused-ignore]
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=100)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        write(certificates, [renewed], renewed)
        await restart()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
        assert await client.names("after", TITLE) == want
