import asyncio
import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagging.config.media import MediaConfig
from tagging.errors import (
    InvalidConfigError,
    InvalidMediaError,
    MediaNotFoundError,
    MediaTooBigError,
    OutputUnwritableError,
    SourceNotAllowedError,
    VideotagError,
)
from tagging.media.pool import DecodePool
from tagging.media.source import OpenFile
from tagging.service.config import SourcesConfig
from tagging.service.sources.sources import Sources
from tagging.tools.load_test.escapes import hostile_uris
from tests.support import media_fakes
from tests.support.media_files import Film, make
from tests.support.paths import REPOSITORY
from tests.support.web import Names, Web, moved, only_here, page, serving

GOOD, SECRET = b"good", b"classified"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that contains `allowed`, surrounded by files that no call may read."""
    allowed = tmp_path / "allowed"
    (allowed / "sub").mkdir(parents=True)
    (allowed / "film.mp4").write_bytes(GOOD)
    (allowed / "a b.mp4").write_bytes(GOOD)
    (allowed / "sub" / "film.mp4").write_bytes(GOOD)
    for outside in (tmp_path / "secret", tmp_path / "film.mp4", tmp_path / "allowed-not" / "film.mp4"):
        outside.parent.mkdir(exist_ok=True)
        outside.write_bytes(SECRET)
    for name, target in {"out": "../secret", "up": "..", "root": "/", "passwd": "/etc/passwd", "loop": "loop"}.items():
        (allowed / name).symlink_to(target)
    os.mkfifo(allowed / "pipe")
    return tmp_path


@pytest.fixture(autouse=True)
def no_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that a test leaves no temporary file and no open descriptor."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    resource_tracker.ensure_running()  # multiprocessing keeps one pipe to it open
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield
    assert list(folder.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def content(file: OpenFile) -> bytes:
    return Path(f"/dev/fd/{file.descriptor}").read_bytes()


async def opened(sources: Sources, uri: str) -> bytes | VideotagError:
    try:
        async with sources.open(uri) as file:
            return content(file)
    except VideotagError as error:
        if not (error.message + error.hint).isprintable():
            raise AssertionError(ascii(error.message)) from error
        return error


def read(uri: str, **config: Any) -> bytes | VideotagError:
    return asyncio.run(opened(Sources(SourcesConfig.model_validate(config)), uri))


def test_by_default_only_sent_content_is_opened(root: Path) -> None:
    for uri in (
        f"{root}/allowed/film.mp4",
        f"file://{root}/allowed/film.mp4",
        "http://a.example/",
        "https://1.1.1.1/",
        "s3://bucket/film.mp4",
        "GS://bucket/film.mp4",
    ):
        assert isinstance(read(uri), SourceNotAllowedError)

    async def spooled() -> bytes:
        async with Sources(SourcesConfig()).spool(GOOD) as file:
            assert file.name == "the content"
            return content(file)

    assert asyncio.run(spooled()) == GOOD


def test_a_file_of_an_allowed_folder_is_opened_by_path_and_by_url(root: Path) -> None:
    allowed = f"{root}/allowed"
    for uri in ("{}/film.mp4", "file://{}/film.mp4", "FILE://localhost{}/a%20b.mp4", "file://{}/sub%2Ffilm.mp4"):
        assert read(uri.format(allowed), folders=[allowed]) == GOOD


def test_empty_and_too_large_content_is_refused_before_it_is_read(root: Path) -> None:
    (root / "allowed" / "empty").touch()
    os.truncate(root / "allowed" / "film.mp4", 10**12)  # a sparse file: it uses no disk space
    config = {"folders": [f"{root}/allowed"]}
    assert isinstance(read(f"{root}/allowed/empty", **config), InvalidMediaError)
    assert isinstance(read(f"{root}/allowed/film.mp4", **config), MediaTooBigError)

    async def spool(sent: bytes) -> None:
        async with Sources(SourcesConfig(max_bytes=3)).spool(sent):
            raise AssertionError("the content was accepted")

    with pytest.raises(InvalidMediaError):
        asyncio.run(spool(b""))
    with pytest.raises(MediaTooBigError):
        asyncio.run(spool(GOOD))


def test_a_full_disk_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")

    async def spool() -> None:
        async with Sources(SourcesConfig()).spool(GOOD):
            raise AssertionError("the content was accepted")

    with pytest.raises(OutputUnwritableError):
        asyncio.run(spool())


@pytest.mark.parametrize(
    "config",
    [
        {"origins": ["a.example"]}, {"origins": ["https://a.example/path"]}, {"origins": ["https://*"]},
        {"origins": ["https://A.example"]}, {"origins": ["https://user@a.example"]}, {"origins": ["ftp://a.example"]},
        {"origins": ["https://a.*.example"]}, {"folders": ["relative"]}, {"folders": ["/"]}, {"folders": ["/a/"]},
        {"networks": ["10.0.0.1/8"]}, {"folder": ["/a"]},
    ],
)  # fmt: skip
def test_a_misleading_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        SourcesConfig.model_validate(config)


@pytest.mark.parametrize("origin", ["https://a.example:70000", "http://*.0.0.1", "http://1.2.3", "http://a..example"])
def test_an_invalid_origin_is_reported_at_start(origin: str) -> None:
    with pytest.raises(InvalidConfigError, match=r"sources\.origins"):
        Sources(SourcesConfig(origins=(origin,)))


def test_no_hostile_uri_opens_anything_outside(root: Path) -> None:
    names = Names(
        {
            "a.example": ["127.0.0.1"],
            "private.example": ["10.0.0.1"],
            "mixed.example": ["127.0.0.1", "10.0.0.1"],
            "mapped.example": ["::ffff:127.0.0.1"],
        }
    )

    async def attack() -> tuple[dict[str, bytes | VideotagError], Web]:
        pages: dict[str, Any] = {"/film": page(GOOD), "/": page(GOOD)}
        async with serving(pages) as web, serving({"/film": page(SECRET)}) as other:
            pages["/to-loopback"] = moved(f"http://127.0.0.1:{web.port}/film")
            pages["/to-file"] = moved(f"file://{root}/secret")
            pages["/to-port"] = moved(f"http://a.example:{other.port}/film")
            pages["/to-name"] = moved(f"http://c.example:{web.port}/film")
            pages["/to-private"] = moved(f"http://private.example:{web.port}/film")
            origins = tuple(f"http://{name}:{web.port}" for name in names.known)
            config = SourcesConfig(folders=(f"{root}/allowed",), origins=origins)
            sources = Sources(config, resolve=names, may_connect=only_here)
            for uri in (f"{root}/allowed/film.mp4", f"http://a.example:{web.port}/film"):
                assert await opened(sources, uri) == GOOD  # allowed sources exist
            got = {uri: await opened(sources, uri) for uri in hostile_uris(root, web.port)}
            assert other.requests == []
            return got, web

    got, web = asyncio.run(attack())
    assert len(got) > 3000
    for uri, outcome in got.items():
        if isinstance(outcome, bytes):
            assert outcome == GOOD, uri
        else:
            assert isinstance(outcome, SourceNotAllowedError | MediaNotFoundError), (uri, outcome)
            assert "classified" not in outcome.message, uri
    assert set(names.lookups) <= set(names.known)
    assert {host for host, _ in web.requests} == {f"a.example:{web.port}"}
    refused = sum(isinstance(outcome, SourceNotAllowedError) for outcome in got.values())
    assert refused > 3000


def test_the_system_resolver_and_default_policy_refuse_loopback() -> None:
    async def fetch() -> None:
        async with serving({"/film": page(GOOD)}) as web:
            for host in ("localhost", "127.0.0.1"):
                config = SourcesConfig(origins=(f"http://{host}:{web.port}",))
                outcome = await opened(Sources(config), f"http://{host}:{web.port}/film")
                assert isinstance(outcome, SourceNotAllowedError)
            assert web.requests == []
            config = SourcesConfig.model_validate({"origins": config.origins, "networks": ["127.0.0.0/8"]})
            assert await opened(Sources(config), f"http://127.0.0.1:{web.port}/film") == GOOD

    asyncio.run(fetch())


def test_downloads_are_decoded_and_a_deadline_releases_everything(tmp_path: Path) -> None:
    film = make(tmp_path / "film.mp4", Film(frames=5)).read_bytes()

    async def tag(pool: DecodePool, hanging: DecodePool) -> None:
        async with serving({"/film?signature=hidden": page(film)}) as web:
            config = SourcesConfig(origins=(f"http://a.example:{web.port}",))
            sources = Sources(config, resolve=Names({"a.example": ["127.0.0.1"]}), may_connect=only_here)
            uri = f"http://a.example:{web.port}/film?signature=hidden"
            async with sources.open(uri) as file:
                future = pool.submit(file)
            sample = await asyncio.wrap_future(future)
            assert sample.frames is not None
            assert "signature" not in file.name
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5), sources.open(uri) as file:
                    await asyncio.wrap_future(hanging.submit(file))

    with (
        DecodePool(MediaConfig(), workers=1) as pool,
        DecodePool(MediaConfig(), 1, decode=media_fakes.sleeping) as hanging,
    ):
        asyncio.run(tag(pool, hanging))


def test_cancelling_at_any_moment_leaves_no_file(root: Path) -> None:
    async def attack() -> None:
        async with serving({"/film": page(bytes(3_000_000))}) as web:
            config = SourcesConfig(folders=(f"{root}/allowed",), origins=(f"http://a.example:{web.port}",))
            sources = Sources(config, resolve=Names({"a.example": ["127.0.0.1"]}), may_connect=only_here)
            ended = 0
            for moment_s in np.random.default_rng(2).uniform(0, 0.01, 100).tolist():
                for uri in (f"http://a.example:{web.port}/film", f"{root}/allowed/film.mp4"):
                    task = asyncio.ensure_future(opened(sources, uri))
                    await asyncio.sleep(moment_s)
                    ended += not task.cancel()
                    await asyncio.wait([task])
            assert ended  # some tasks ended before they were cancelled

    asyncio.run(attack())


def test_a_killed_process_leaves_no_copy_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "of-the-process"
    folder.mkdir()
    program = """
import asyncio, os, signal
from tagging.service.config import SourcesConfig
from tagging.service.sources.sources import Sources

async def main():
    async with Sources(SourcesConfig()).spool(b"good" * 100_000):
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(folder.iterdir()) == []
