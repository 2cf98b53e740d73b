"""Explanations by a running service equal those of this process, and each failure of a call is one clear error."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import (
    BackendUnavailableError,
    ConflictError,
    DeadlineExceededError,
    ForbiddenError,
    InvalidConfigError,
    InvalidRequestError,
    MediaNotFoundError,
    MediaTooBigError,
    SourceNotAllowedError,
    UnauthenticatedError,
    UnknownIdError,
)
from tagging.inspection.explanation import Inspection
from tagging.inspection.inspect import inspect_answer, inspect_video
from tagging.pipeline.load import load_tagger
from tagging.service.calls import explanations as calls
from tagging.service.clients.tokens import new_token
from tagging.service.config import ServiceConfig
from tagging.service.remote import explanations
from tagging.service.remote.connection import Server
from tagging.service.remote.explanations import explain_remotely, explain_stored_remotely
from tagging.store.database.taggings import TaggingOptions
from tagging.types import VideoRef
from tests.support.drawn_inspections import fixed_inspection
from tests.support.polling import wait_until_async
from tests.support.service import Client, running

pytestmark = pytest.mark.anyio

DOG = VideoRef("v", title="a dog")
EVERYTHING = TaggingOptions(max_tags=50, min_confidence=0.0)


def server_of(client: Client, **changed: Any) -> Server:
    return Server(f"127.0.0.1:{client.port}", **changed)


async def explain(server: Server, video: VideoRef, *queries: str, options: TaggingOptions = EVERYTHING) -> Inspection:
    """Call as a command line does, which blocks its thread."""
    return await asyncio.to_thread(explain_remotely, server, video, options, queries)


def assert_equal(found: Any, wanted: Any, path: str = "inspection") -> None:
    """Compare values; numbers to what messages keep."""
    if isinstance(wanted, dict):
        assert list(found) == list(wanted), path
        for key, value in wanted.items():
            assert_equal(found[key], value, f"{path}.{key}")
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted), path
        for index, value in enumerate(wanted):
            assert_equal(found[index], value, f"{path}[{index}]")
    else:
        expected = pytest.approx(wanted, abs=2e-6) if isinstance(wanted, float) else wanted
        assert found == expected, path


@pytest.mark.parametrize("with_text", [True, False])
async def test_an_explanation_equals_that_of_this_process(
    shared_client: Client, unseen_corpus: Path, with_text: bool
) -> None:
    clips = sorted(unseen_corpus.parent.rglob("*.mp4"))[:2]
    queries = ("dog", "music", "fnord and quux")
    with load_tagger(shared_client.bundle) as tagger:
        for clip in clips:
            title, description = ("a dog on the beach", "music\nby a band") if with_text else ("", "")
            video = VideoRef(str(clip), str(clip), title, description)
            wanted = inspect_video(tagger, tagger.read(video), tagger.selection(50, None, 0.0), queries)
            sent = await explain(server_of(shared_client), video, *queries)
            assert_equal(asdict(sent), asdict(wanted))
            whole = await asyncio.to_thread(
                explain_remotely, server_of(shared_client), video, EVERYTHING, queries, why_answered=True
            )
            wanted = inspect_answer(tagger, tagger.read(video), tagger.selection(50, None, 0.0), queries)
            assert_equal(asdict(whole), asdict(wanted))
            opened = await explain(server_of(shared_client), VideoRef("v", f"file://{clip}", title, description))
            assert_equal(asdict(opened)["explanation"]["tags"], asdict(wanted)["explanation"]["tags"])


async def test_edited_tags_are_explained_as_they_are_now(client: Client) -> None:
    stub = client.stub
    video = VideoRef("v", title="a fnord and a quux at night")
    made = (await stub.CreateTag(pb.CreateTagRequest(name="fnord", aliases=["phnord"]))).tag
    [fnord] = (await explain(server_of(client), video, "phnord")).questions
    assert fnord.trace is not None
    assert (fnord.trace.tag_id, fnord.trace.name, fnord.outcome) == (made.id, "fnord", "answered")
    other = (await stub.CreateTag(pb.CreateTagRequest(name="quux"))).tag
    await stub.MergeTags(pb.MergeTagsRequest(target_id=made.id, source_ids=[other.id]))
    [merged] = (await explain(server_of(client), VideoRef("v", title="a quux"), "quux", "fnord")).questions
    assert merged.trace is not None
    assert (merged.trace.name, merged.outcome) == ("fnord", "answered")
    await stub.UpdateTag(pb.UpdateTagRequest(tag_id=made.id, status=pb.TAG_STATUS_HIDDEN))
    [hidden] = (await explain(server_of(client), video, "fnord")).questions
    assert hidden.outcome == "hidden"


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "inspect_video", fixed_inspection)


@pytest.mark.usefixtures("fixed")
async def test_a_stored_answer_is_explained_by_its_id(shared_client: Client) -> None:
    await shared_client.tag("stored", "a dog", description="runs", options=pb.TagVideoOptions(max_tags=3))
    found = await asyncio.to_thread(explain_stored_remotely, server_of(shared_client), "stored", ["cat"])
    assert found.explanation.video == VideoRef("stored", None, "a dog", "runs")
    assert found.explanation.max_tags == 3
    assert [question.query for question in found.questions] == ["cat"]


@pytest.mark.usefixtures("fixed")
@pytest.mark.parametrize("video_id", ["", " \n", "x" * 3000, "a\0b", "/home/\udcff.mp4", "\u3164"])
async def test_a_caller_may_name_its_video_as_it_likes(shared_client: Client, video_id: str) -> None:
    video = VideoRef(video_id, title="a dog")
    assert (await explain(server_of(shared_client), video)).explanation.video == video


@pytest.mark.usefixtures("fixed")
async def test_errors_of_the_service_arrive_as_they_were_raised(shared_client: Client, tmp_path: Path) -> None:
    server = server_of(shared_client)
    (tmp_path / "empty.mp4").touch()
    await shared_client.tag("was-sent", "a", content=next(shared_client.bundle.rglob("manifest.json")).read_bytes())
    for error, message, video in (
        (SourceNotAllowedError, "/etc/passwd", VideoRef("v", "file:///etc/passwd")),
        (InvalidRequestError, "title: empty", VideoRef("v")),
        (InvalidRequestError, "content: 0 bytes", VideoRef("v", str(tmp_path / "empty.mp4"))),
        (InvalidRequestError, "title: 10001 characters", VideoRef("v", title="t" * 10_001)),
        (InvalidRequestError, "not UTF-8", VideoRef("v", title="\udcff")),
        (MediaNotFoundError, "cannot read", VideoRef("v", str(tmp_path / "absent.mp4"))),
        (MediaNotFoundError, "cannot read", VideoRef("v", "nul\0.mp4")),
        (MediaNotFoundError, "cannot read", VideoRef("v", str(tmp_path))),
    ):
        with pytest.raises(error, match=message):
            await explain(server, video)
    with pytest.raises(InvalidRequestError, match=r"why\[0\]"):
        await explain(server, DOG, " ")
    with pytest.raises(InvalidRequestError, match="21 values, expected at most 20"):
        await explain(server, DOG, *map(str, range(21)))
    for stored_error, video_id in ((UnknownIdError, "never"), (ConflictError, "was-sent"), (InvalidRequestError, "")):
        with pytest.raises(stored_error):
            await asyncio.to_thread(explain_stored_remotely, server, video_id, [])


@pytest.mark.usefixtures("fixed")
async def test_a_file_over_the_limit_of_messages_says_what_to_do(
    service_config: ServiceConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big.mp4").write_bytes(bytes(20_000))
    listen = service_config.listen.model_copy(update={"message_bytes": 10_000})
    async with running(service_config.model_copy(update={"listen": listen})) as client:
        with pytest.raises(MediaTooBigError, match=r"accepts no message of 20,0\d\d bytes") as raised:
            await explain(server_of(client), VideoRef("v", str(tmp_path / "big.mp4")))
        assert "file:// or https:// address" in raised.value.hint
    monkeypatch.setattr(explanations, "MOST_BYTES", 15_000)
    with pytest.raises(MediaTooBigError, match="has 20,000 bytes, expected at most 15,000"):
        await explain(Server("127.0.0.1:1"), VideoRef("v", str(tmp_path / "big.mp4")))


async def test_a_service_that_is_away_or_silent_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(BackendUnavailableError, match=f"no service answers at {re.escape(address)}"):
        await explain(Server(address), DOG)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DeadlineExceededError, match=r"did not answer within 0\.3 s"):
            await explain(Server(address, timeout_s=0.3), DOG)


@asynccontextmanager
async def answering(code: grpc.StatusCode | None, details: str = "") -> AsyncIterator[Server]:
    """A server that answers with a status of its own; None: it does not have the call."""

    async def fail(_: bytes, context: Any) -> None:
        await context.abort(code, details)

    handlers: dict[str, Any] = {} if code is None else {"ExplainVideo": grpc.unary_unary_rpc_method_handler(fail)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("videotag.v1.TaggingService", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Server(f"127.0.0.1:{port}")
    finally:
        await server.stop(None)


async def test_a_status_of_another_program_is_reported_as_it_is() -> None:
    async with answering(None) as server:
        with pytest.raises(BackendUnavailableError, match="does not have this call"):
            await explain(server, DOG)
    async with answering(grpc.StatusCode.PERMISSION_DENIED, "RBAC: access\nto http://u:secret@h denied") as server:
        with pytest.raises(BackendUnavailableError, match="failed with PERMISSION_DENIED: RBAC") as raised:
            await explain(server, DOG)
        assert "secret" not in raised.value.message


@pytest.mark.parametrize("address", ["", "localhost", "host:99999", "grpc://host:1", "host:1 ", "unix:"])
def test_an_address_that_is_none_is_one_clear_error(address: str) -> None:
    with pytest.raises(InvalidConfigError, match="is not HOST:PORT"):
        explain_remotely(Server(address), DOG, EVERYTHING, ())


def clients_file(path: Path, roles: Iterable[str]) -> tuple[Path, dict[str, str]]:
    tokens = {role: new_token() for role in roles}
    lines = (
        f'[clients.{role}]\ntokens_sha256 = ["{digest}"]\nroles = ["{role}"]' for role, (_, digest) in tokens.items()
    )
    path.write_text("\n".join(lines))
    return path, {role: token for role, (token, _) in tokens.items()}


@pytest.mark.usefixtures("fixed")
async def test_a_client_with_token_and_tls_is_answered(
    service_config: ServiceConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    clients, tokens = clients_file(tmp_path / "clients.toml", ["edit", "label"])
    tls = {"certificate": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}
    config = ServiceConfig.model_validate(
        service_config.model_dump() | {"listen": {"address": "127.0.0.1:0", "tls": tls, "clients": clients}}
    )
    async with running(config) as client:
        ca = tmp_path / "ca.pem"
        server = server_of(client, tls_ca=ca, token=tokens["edit"])
        assert (await explain(server, DOG)).explanation.video == DOG
        with pytest.raises(ForbiddenError, match="needs edit or tag"):
            await explain(server_of(client, tls_ca=ca, token=tokens["label"]), DOG)
        for token in (None, new_token()[0], "videotag_short"):
            with pytest.raises(UnauthenticatedError):
                await explain(server_of(client, tls_ca=ca, token=token), DOG)
        for token in ("", "a\nb", "clé"):
            with pytest.raises(InvalidConfigError, match="token"):
                await explain(server_of(client, tls_ca=ca, token=token), DOG)
        for wrong in (tmp_path / "stranger.pem", None):
            with pytest.raises(BackendUnavailableError, match="no service answers"):
                await explain(server_of(client, tls_ca=wrong, token=tokens["edit"], timeout_s=30.0), DOG)
    for path in (tmp_path / "absent.pem", tmp_path / "key.pem", tmp_path):
        with pytest.raises(InvalidConfigError, match=path.name):
            await explain(Server("127.0.0.1:1", tls_ca=path), DOG)
    assert not any(token in caplog.text for token in tokens.values())


async def test_a_token_that_is_sent_in_clear_beyond_this_machine_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises((BackendUnavailableError, DeadlineExceededError)):
        await explain(Server("host.invalid:1", token=new_token()[0], timeout_s=0.5), DOG)
    await wait_until_async(lambda: "without encryption" in caplog.text)
