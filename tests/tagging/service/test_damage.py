"""Bundle files that are truncated, overwritten or removed while the bundle answers, before it is activated, or while it
is loaded.
"""

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.bundle.manifest import BUNDLE
from tagging.errors import ArtifactCorruptError
from tagging.features.factory import load_encoders
from tagging.pipeline import load
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tagging.service.calls import build
from tagging.service.config import ServiceConfig
from tagging.service.server import serving
from tagging.tools.load_test.service_process import service_process

pytestmark = pytest.mark.anyio

ALL = pb.TagVideoOptions(max_tags=50, min_confidence=0.0)


@pytest.fixture
def root(learnt_bundle: Path, tmp_path: Path) -> Path:
    """A folder with the bundle `one` and its copy `two`."""
    for name in ("one", "two"):
        shutil.copytree(learnt_bundle, tmp_path / "bundles" / name)
    return tmp_path / "bundles"


@asynccontextmanager
async def running(root: Path, active: Path) -> AsyncIterator[Any]:
    """A stub of a service that may activate the bundles of a folder."""
    config = ServiceConfig.model_validate(
        {
            "listen": {"address": "127.0.0.1:0"},
            "bundles": str(root),
            "database": {"url": f"sqlite:///{root.parent}/service.db"},
            "observe": {"metrics": {"listen": None}},
        }
    )
    async with serving(active, config) as service:  # noqa: SIM117 - the service outlives its client
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel:
            yield rpc.TaggingServiceStub(channel)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, str]:
    """Return the status, reason and message of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return raised.value.code(), info.reason, raised.value.details() or ""


async def answers(stub: Any, titles: Sequence[str], turn: str) -> list[Any]:
    """Return the answers to new videos, none of which comes from the store."""
    found = []
    for index, title in enumerate(titles):
        answer = await stub.TagVideo(pb.TagVideoRequest(video_id=f"{turn}{index}", title=title, options=ALL))
        assert not answer.from_store
        found.append([(tag.name, round(tag.confidence, 6), str(tag.channels)) for tag in answer.tags])
    return found


def files_of(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.slow
async def test_a_loaded_bundle_is_unaffected_by_changes_of_its_files(learnt_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(learnt_bundle, tmp_path / "bundle")
    titles = [json.loads(line)["title"] for line in (learnt_bundle.parent / "train.jsonl").read_text().splitlines()[:8]]
    with service_process(bundle, tmp_path, f"sqlite:///{tmp_path}/service.db") as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub: Any = rpc.TaggingServiceStub(channel)
            want = await answers(stub, titles, "whole")
            [pid] = [pid for pid in service.pids() if f"serve\0--bundle\0{bundle}" in _command(pid)]
            assert _mapped(pid) == set()
            for path in files_of(bundle):
                os.truncate(path, 0)  # also under an open descriptor
            assert await answers(stub, titles, "cut") == want
            for path in files_of(bundle):
                path.write_bytes(b"\xff" * 100_000)
            assert await answers(stub, titles, "overwritten") == want
            shutil.rmtree(bundle)
            assert await answers(stub, titles, "gone") == want
            made = await stub.CreateTag(pb.CreateTagRequest(name="fnord"))
            late = pb.AddLabelledVideoRequest(video_id="late", title="zxcv asdf", tags=["fnord"])
            assert (await stub.AddLabelledVideo(late)).tag_ids == [made.tag.id]
            [found] = await answers(stub, ["zxcv asdf"], "late")
            assert "fnord" in [name for name, *_ in found]
            assert service.is_alive


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def _mapped(pid: int) -> set[str]:
    """Return the memory-mapped files, without programs and the files of SQLite."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    names = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6}
    programs = ("[", "/usr/", "/lib", "/dev/", "/memfd:", "/SYSV", os.path.realpath(sys.executable))
    named = {name for name in names if not name.startswith(programs)}
    return {name for name in named if ".so" not in Path(name).suffixes and not name.endswith("-shm")}


@pytest.mark.parametrize("harm", ["cut", "flipped", "removed"])
async def test_a_damaged_bundle_is_not_activated_and_the_service_continues(root: Path, harm: str) -> None:
    async with running(root, root / "one") as stub:
        before = await answers(stub, ["a dog"], "before")
        for path in files_of(root / "two"):
            if path.name == "manifest.json":
                continue
            content, name = path.read_bytes(), path.relative_to(root / "two").as_posix()
            damage(path, harm)
            for call, request in (
                (stub.ActivateBundle, pb.ActivateBundleRequest(folder="two")),
                (stub.ShadowBundle, pb.ShadowBundleRequest(folder="two")),
            ):
                code, reason, message = await refusal(call(request))
                assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ARTIFACT_CORRUPT")
                assert f"two: {name} " in message
            path.unlink(missing_ok=True)
            path.write_bytes(content)
        loaded = await stub.GetBundle(pb.GetBundleRequest())
        assert (loaded.active.folder, loaded.HasField("previous"), loaded.HasField("shadow")) == ("one", False, False)
        assert await answers(stub, ["a dog"], "after") == before
        assert (await stub.ActivateBundle(pb.ActivateBundleRequest(folder="two"))).active.folder == "two"


def damage(path: Path, harm: str) -> None:
    content = path.read_bytes()
    if harm == "cut":
        os.truncate(path, len(content) // 2)
    elif harm == "removed":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


async def test_the_previous_bundle_can_be_activated_without_its_files(root: Path) -> None:
    async with running(root, root / "one") as stub:
        first = (await stub.GetBundle(pb.GetBundleRequest())).active.version
        before = await answers(stub, ["a dog"], "before")
        await stub.ActivateBundle(pb.ActivateBundleRequest(folder="two"))
        shutil.rmtree(root / "one")
        back = await stub.ActivateBundle(pb.ActivateBundleRequest(version=first))
        assert back.active.version == first
        assert await answers(stub, ["a dog"], "after") == before


async def test_a_bundle_that_is_damaged_while_it_is_loaded_is_not_activated(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(folder: Path, *arguments: Any, **options: Any) -> Tagger:
        tagger = load_tagger(folder, *arguments, **options)
        if folder.name == "two":
            (folder / "catalog.parquet").write_bytes(b"other content")
        return tagger

    monkeypatch.setattr(build, "load_tagger", loaded)
    async with running(root, root / "one") as stub:
        code, _, message = await refusal(stub.ActivateBundle(pb.ActivateBundleRequest(folder="two")))
        assert (code, "two: catalog.parquet " in message) == (grpc.StatusCode.FAILED_PRECONDITION, True)
        assert (await stub.GetBundle(pb.GetBundleRequest())).active.folder == "one"
        assert (await answers(stub, ["a dog"], "after"))[0]


async def test_a_bundle_that_is_replaced_while_it_is_loaded_is_not_activated(
    root: Path, tiny_starter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(folder: Path, *arguments: Any, **options: Any) -> Tagger:
        tagger = load_tagger(folder, *arguments, **options)
        if folder.name == "two":
            shutil.rmtree(folder)
            shutil.copytree(tiny_starter, folder)
        return tagger

    monkeypatch.setattr(build, "load_tagger", loaded)
    async with running(root, root / "one") as stub:
        code, _, message = await refusal(stub.ActivateBundle(pb.ActivateBundleRequest(folder="two")))
        assert (code, "was replaced by another bundle" in message) == (grpc.StatusCode.FAILED_PRECONDITION, True)


@pytest.mark.slow
def test_a_damaged_file_is_named_whichever_library_reads_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is truncated between the check of the hashes and its reading."""
    for name in BUNDLE.read(root / "one").files:
        content = (root / "one" / name).read_bytes()

        def cut(*arguments: Any, name: str = name) -> Any:
            os.truncate(root / "one" / name, (root / "one" / name).stat().st_size // 2)
            return load_encoders(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(load, "load_encoders", cut)
            try:
                load_tagger(root / "one").close()
            except ArtifactCorruptError as error:
                assert f"one: {name} " in error.message  # noqa: PT017
            else:
                # Only training reads the first two, and only edits of tags the third.
                assert name in {"graph.parquet", "learnt/tags.npy", "words.parquet"}
        (root / "one" / name).write_bytes(content)


async def test_a_missing_folder_of_bundles_is_an_invalid_configuration(root: Path) -> None:
    async with running(root, root / "one") as stub:
        shutil.rmtree(root)
        code, reason, _ = await refusal(stub.ActivateBundle(pb.ActivateBundleRequest(version="20260101T000000Z-0")))
        assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INVALID_CONFIG")
        assert (await answers(stub, ["a dog"], "after"))[0]
