import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tagging.config import MediaConfig
from tagging.errors import DecodeTimeoutError, InvalidMediaError, MediaNotFoundError, MediaTooBigError
from tagging.media.source import content_hash, open_source

CONFIG = MediaConfig(max_bytes=100_000, decode_timeout_s=20.0)
CONTENT = bytes(range(256)) * 300


class Handler(BaseHTTPRequestHandler):
    released = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/film":
            self._answer(200, CONTENT, len(CONTENT))
        elif self.path == "/stated-too-big":
            self._answer(200, b"x", 100_001)
        elif self.path == "/endless":
            self._answer(200, bytes(300_000), None)
        elif self.path == "/short":
            self._answer(200, b"half", 8)
        elif self.path == "/empty":
            self._answer(200, b"", 0)
        elif self.path == "/moved":
            self._redirect("/film")
        elif self.path == "/to-file":
            self._redirect("file:///etc/hostname")
        elif self.path == "/to-ftp":
            self._redirect("ftp://127.0.0.1/film")
        elif self.path == "/silent":
            self.released.wait(20)
        else:
            self._answer(404, b"no", 2)

    def _answer(self, status: int, body: bytes, length: int | None) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def _redirect(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        Handler.released.set()
        httpd.shutdown()
        thread.join()


def read(uri: str, config: MediaConfig = CONFIG) -> bytes:
    with open_source(uri, config) as path:
        return path.read_bytes()


def test_paths_and_file_urls_open_the_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "talk: part 1 ü.mp4"
    path.write_bytes(CONTENT)
    with open_source(str(path), CONFIG) as opened:
        assert opened == path
    with open_source(path.as_uri(), CONFIG) as opened:
        assert opened == path
    assert content_hash(path) == hashlib.sha256(CONTENT).hexdigest()


def test_a_url_is_fetched_to_a_file_that_goes_away(server: str) -> None:
    with open_source(f"{server}/film", CONFIG) as path:
        assert path.read_bytes() == CONTENT
    assert not path.exists()
    assert read(f"{server}/moved") == CONTENT


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("/nowhere/film.mp4", "no file at /nowhere/film.mp4"),
        ("/", "/ is a folder"),
        ("/dev/zero", "no file at"),
        ("film\0.mp4", "no file at"),
        ("x" * 5000, "cannot read x+…"),
        ("", "is a folder"),
        ("file://elsewhere/film.mp4", "names the host 'elsewhere'"),
        ("s3://bucket/film.mp4", "cannot open s3:// addresses"),
        ("RTSP://camera/film", "cannot open rtsp:// addresses"),
        ("concat:a.mp4|b.mp4", "no file at concat"),
        ("http://127.0.0.1:9/film", "cannot fetch"),
        ("http://[broken/film", "cannot fetch"),
        ("http://bad host/film", "cannot fetch"),
    ],
)
def test_what_cannot_be_opened_is_not_found(uri: str, message: str) -> None:
    with pytest.raises(MediaNotFoundError, match=message):
        read(uri)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_right_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(CONTENT)
    path.chmod(0)
    with pytest.raises(MediaNotFoundError, match="Permission denied"):
        read(str(path))


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("missing", "answered 404"),
        ("short", "ended after 4 of 8 bytes"),
        ("to-file", "302|not allowed|unknown url type"),
        ("to-ftp", "unknown url type"),
    ],
)
def test_http_failures_are_not_found(server: str, page: str, message: str) -> None:
    with pytest.raises(MediaNotFoundError, match=message):
        read(f"{server}/{page}")


@pytest.mark.parametrize("page", ["stated-too-big", "endless"])
def test_a_download_stops_at_the_byte_limit(server: str, page: str) -> None:
    with pytest.raises(MediaTooBigError, match="expected at most 100000"):
        read(f"{server}/{page}")


def test_a_server_that_never_answers_meets_the_deadline(server: str) -> None:
    with pytest.raises(DecodeTimeoutError, match=r"within 0\.2 s"):
        read(f"{server}/silent", CONFIG.model_copy(update={"decode_timeout_s": 0.2}))


def test_a_local_file_beyond_the_byte_limit_is_too_big(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(CONTENT)
    with pytest.raises(MediaTooBigError, match="76800 bytes, expected at most 1000"):
        read(str(path), CONFIG.model_copy(update={"max_bytes": 1000}))


def test_no_bytes_at_all_is_invalid(server: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.touch()
    for uri in (str(path), f"{server}/empty"):
        with pytest.raises(InvalidMediaError, match="has 0 bytes"):
            read(uri)
