"""Media in buckets, read from a real object server."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from tagging.config.media import MediaConfig
from tagging.errors import (
    BackendUnavailableError,
    InvalidMediaError,
    MediaNotFoundError,
    MediaTooBigError,
    VideotagError,
)
from tagging.media.decode import decode
from tagging.media.limits import Deadline
from tagging.media.objects import copy_object
from tagging.media.pool import DecodePool
from tagging.media.source import open_source
from tests.support.media_files import Film, make
from tests.support.object_store import BUCKET, ObjectStore, use
from tests.support.ports import free_port

CONFIG = MediaConfig(max_bytes=1_000_000, decode_timeout_s=60.0)
CONTENT = bytes(range(256)) * 300
NAME = "films/talk 1 ü+%20?#.mp4"


@pytest.fixture
def store(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    use(object_store, monkeypatch)
    return object_store


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clip") / "clip.mp4", Film(frames=20))


def read(uri: str, config: MediaConfig = CONFIG) -> bytes:
    with open_source(uri, config) as path:
        return path.read_bytes()


def test_an_object_is_read_under_its_literal_name(store: ObjectStore) -> None:
    address = store.put(NAME, CONTENT)
    assert address == f"s3://{BUCKET}/{NAME}"
    with open_source(address, CONFIG) as path:
        assert path.read_bytes() == CONTENT
    assert not path.exists()


def test_a_decode_worker_reads_an_object_as_it_does_the_file(store: ObjectStore, clip: Path) -> None:
    address = store.put("clip.mp4", clip.read_bytes())
    want = decode(clip, CONFIG)
    with DecodePool(CONFIG, workers=1) as pool:
        got = pool.read(address)
    assert got.content_hash == hashlib.sha256(clip.read_bytes()).hexdigest() == want.content_hash
    assert got.frames is not None
    assert want.frames is not None
    assert (got.frames.pixels == want.frames.pixels).all()


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        (f"s3://{BUCKET}/none.mp4", MediaNotFoundError, f"no such object: s3://{BUCKET}/none.mp4"),
        (f"s3://{BUCKET}", BackendUnavailableError, "Not a regular file"),
        ("s3://nowhere/none.mp4", MediaNotFoundError, "no such bucket: s3://nowhere/none.mp4"),
        (f"s3://{BUCKET}/x\x07\n.mp4", MediaNotFoundError, r"no such object: .*x\\x07\\n.mp4"),
        ("s3://", BackendUnavailableError, "s3:// cannot be used"),
        ("s3:///none.mp4", BackendUnavailableError, "s3:///none.mp4 cannot be used"),
        ("s3://a b/none.mp4", BackendUnavailableError, "s3://a b/none.mp4 cannot be used"),
    ],
)
def test_an_object_that_is_not_there_is_one_error(
    store: ObjectStore, address: str, error: type[VideotagError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        read(address)
    assert caught.value.message.isprintable()
    assert caught.value.hint


def test_the_size_is_checked_before_an_object_is_read(store: ObjectStore) -> None:
    address = store.put("big.mp4", CONTENT)
    file = io.BytesIO()
    with pytest.raises(MediaTooBigError, match=r"76800 bytes, expected at most 76799"):
        copy_object(address, file, MediaConfig(max_bytes=len(CONTENT) - 1))
    assert not file.getvalue()
    assert read(address, MediaConfig(max_bytes=len(CONTENT))) == CONTENT


def test_an_empty_object_is_no_media(store: ObjectStore) -> None:
    with pytest.raises(InvalidMediaError, match="0 bytes"):
        read(store.put("empty.mp4", b""))


def test_an_object_that_takes_longer_than_decoding_may_is_tried_again_later(store: ObjectStore) -> None:
    address, times = store.put("slow.mp4", CONTENT), iter((0.0, 61.0))
    with pytest.raises(BackendUnavailableError, match="was not read within 60 s"):
        copy_object(address, io.BytesIO(), CONFIG, lambda timeout_s: Deadline(timeout_s, lambda: next(times)))


def test_missing_credentials_are_one_error_that_names_them(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    address = store.put("a.mp4", CONTENT)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    # A process reads them once; a decode worker is a new one.
    with (
        DecodePool(CONFIG, workers=1) as pool,
        pytest.raises(BackendUnavailableError, match=r"a\.mp4 cannot be used: access is denied") as caught,
    ):
        pool.read(address)
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_an_endpoint_that_does_not_answer_is_one_error(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(BackendUnavailableError, match=r"cannot be reached: Could not connect to server$") as caught:
        read(f"s3://{BUCKET}/a.mp4")
    assert caught.value.message.isprintable()
    assert "AWS_ENDPOINT_URL" in caught.value.hint


def test_no_message_has_the_credentials_of_an_address(store: ObjectStore) -> None:
    for bucket in (BUCKET, "nowhere"):
        with pytest.raises(MediaNotFoundError) as caught:
            read(f"s3://key:hidden@{bucket}/none.mp4")
        assert "hidden" not in str(caught.value) + repr(caught.value.__cause__)


def test_workers_of_local_files_do_not_load_the_libraries_of_buckets() -> None:
    code = "import sys, tagging.media.worker; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
