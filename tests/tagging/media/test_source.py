import hashlib
import os
import socket
import struct
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import pytest

from tagging.config.media import MediaConfig
from tagging.errors import (
    BackendUnavailableError,
    InvalidMediaError,
    MediaNotFoundError,
    MediaTooBigError,
    OutputUnwritableError,
)
from tagging.media.source import content_hash, open_source
from tagging.media.web import fetch
from tagging.messages import shown
from tests.support.disks import filled, tiny_disk

CONFIG = MediaConfig(max_bytes=100_000, decode_timeout_s=20.0)
CONTENT = bytes(range(256)) * 300


# path -> status, body, stated length
PAGES: dict[str, tuple[int, bytes, int | None]] = {
    "/film": (200, CONTENT, len(CONTENT)),
    "/stated-too-big": (200, b"x", 100_001),
    "/endless": (200, bytes(300_000), None),
    "/short": (200, b"half", 8),
    "/empty": (200, b"", 0),
}
MOVED = {
    "/loop": "/loop",
    "/moved": "/film",
    "/to-file": "file:///etc/hostname",
    "/to-ftp": "ftp://127.0.0.1/film",
    "/moved-login": "/login",
    "/moved-latin1": "/echo/ünï.mp4",  # the server sends headers in Latin-1
    "/moved-utf8": "/echo/ünï.mp4".encode().decode("latin-1"),
}


class Handler(BaseHTTPRequestHandler):
    released = threading.Event()
    hits: ClassVar = Counter[str]()  # requests by path

    def do_GET(self) -> None:
        self.hits.update([self.path])
        if self.path in MOVED:
            self._redirect(MOVED[self.path])
        elif self.path.startswith("/echo"):
            self._answer(200, self.path.encode(), None)
        elif self.path.startswith("/flaky/") and self.hits[self.path] < 3:  # the third request succeeds
            self._fail(self.path.split("/")[2])
        elif self.path.startswith("/flaky/"):
            self._answer(200, CONTENT, None)
        elif self.path == "/agent":
            self._answer(200, self.headers["User-Agent"].encode(), None)
        elif self.path == "/login":
            self._answer(200 if self.headers["Authorization"] == "Basic bWU6c2U6Y3LDqXQ=" else 401, CONTENT, None)
        elif self.path == "/silent":
            self.released.wait(20)
        else:
            self._answer(*PAGES.get(self.path, (404, b"no", 2)))

    def _fail(self, kind: str) -> None:
        if kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif kind == "cut":
            self._answer(200, b"half", 8)
        else:
            self._answer(int(kind), b"busy", 4)

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
        """Do not log requests."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        Handler.released.set()
        httpd.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "FIRST_WAIT_S", 0.01)


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


def test_a_url_is_fetched_to_a_temporary_file(server: str) -> None:
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
        ("smb://host/film.mp4", "cannot open smb:// addresses"),
        ("RTSP://camera/film", "cannot open rtsp:// addresses"),
        ("concat:a.mp4|b.mp4", "no file at concat"),
        ("http://[broken/film", "cannot fetch"),
        ("http://bad host/film", "cannot fetch"),
        (f"http://{'ü' * 70}.example/film", "cannot fetch"),
        ("http://bücher..example/film", "cannot fetch"),
        ("file://[broken/film", "Invalid IPv6 URL"),
    ],
)
def test_a_path_that_cannot_be_opened_is_not_found(uri: str, message: str) -> None:
    with pytest.raises(MediaNotFoundError, match=message):
        read(uri)


@pytest.mark.parametrize(
    ("typed", "requested"),
    [
        ("é.mp4", "%C3%A9.mp4"),
        ("part 1.mp4?title=la fête", "part%201.mp4?title=la%20f%C3%AAte"),
        ("%C3%A9 é.mp4", "%C3%A9%20%C3%A9.mp4"),
        ("100%.mp4?x=50%25&y=%zz", "100%25.mp4?x=50%25&y=%25zz"),
        ("a,b;c=d:e@f!(1)[2]~|^'.mp4?a=b&c=/d?e+f", "a,b;c=d:e@f!(1)[2]~|^'.mp4?a=b&c=/d?e+f"),
        ("é#part", "%C3%A9"),
        ("two\nlines", "two%0Alines"),
    ],
)
def test_a_url_is_escaped_as_browsers_escape_it(server: str, typed: str, requested: str) -> None:
    assert read(f"{server}/echo/{typed}").decode() == f"/echo/{requested}"


@pytest.mark.parametrize(
    "uri",
    [
        "/nowhere/two\nlines.mp4",
        "/nowhere/red\x1b[31m.mp4",
        "/nowhere/\u202egnp.4pm",
        "/nowhere/\udc80.mp4",
        "http://two\nlines/film",
        "file://two\nhosts/film",
        "smb://host/\x07",
    ],
)
def test_an_error_message_is_one_printable_line_for_any_uri(uri: str) -> None:
    with pytest.raises(MediaNotFoundError) as caught:
        read(uri)
    assert caught.value.message.isprintable()


def test_a_full_disk_is_not_reported_as_a_fault_of_the_url(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tiny_disk(tmp_path / "disk", 1) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with filled(disk), pytest.raises(OutputUnwritableError, match=rf"no copy of {server}/film.*: No space left"):
            read(f"{server}/film")
        assert read(f"{server}/film") == CONTENT


def test_a_redirect_loop_is_reported_in_one_line(server: str) -> None:
    with pytest.raises(MediaNotFoundError, match="loop was redirected more than 10 times") as caught:
        read(f"{server}/loop")
    assert caught.value.message.isprintable()


def test_a_uri_is_shown_escaped_and_truncated() -> None:
    assert shown("a\nb\x1b é.mp4") == "a\\nb\\x1b é.mp4"
    assert shown("x" * 200) == "x" * 200
    assert shown("\n" * 201) == "\\n" * 100 + "…"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(CONTENT)
    path.chmod(0)
    with pytest.raises(MediaNotFoundError, match="Permission denied"):
        read(str(path))


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("missing", "answered 404"),
        ("to-file", "is redirected to an address that is not allowed"),
        ("to-ftp", "is redirected to an address that is not allowed"),
    ],
)
def test_http_failures_are_not_found(server: str, page: str, message: str) -> None:
    with pytest.raises(MediaNotFoundError, match=message):
        read(f"{server}/{page}")


@pytest.mark.parametrize("page", ["stated-too-big", "endless"])
def test_a_download_stops_at_the_byte_limit(server: str, page: str) -> None:
    with pytest.raises(MediaTooBigError, match="expected at most 100000"):
        read(f"{server}/{page}")


def test_a_server_that_never_answers_is_given_up_at_the_deadline(server: str) -> None:
    with pytest.raises(BackendUnavailableError, match=r"0\.2 s"):
        read(f"{server}/silent", CONFIG.model_copy(update={"decode_timeout_s": 0.2}))


def test_a_local_file_over_the_byte_limit_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(CONTENT)
    with pytest.raises(MediaTooBigError, match="76800 bytes, expected at most 1000"):
        read(str(path), CONFIG.model_copy(update={"max_bytes": 1000}))


def test_an_empty_file_is_invalid(server: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.touch()
    for uri in (str(path), f"{server}/empty"):
        with pytest.raises(InvalidMediaError, match="has 0 bytes"):
            read(uri)


@pytest.mark.parametrize("kind", ["408", "425", "429", "500", "502", "503", "504", "reset", "cut"])
def test_a_transient_failure_is_retried(server: str, kind: str) -> None:
    assert read(f"{server}/flaky/{kind}") == CONTENT
    assert Handler.hits[f"/flaky/{kind}"] == 3


@pytest.mark.parametrize("page", ["short", "missing", "login"])
def test_a_failure_is_final_or_transient(server: str, page: str) -> None:
    Handler.hits.clear()
    with pytest.raises(BackendUnavailableError if page == "short" else MediaNotFoundError):
        read(f"{server}/{page}")
    assert Handler.hits[f"/{page}"] == (5 if page == "short" else 1)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9/film", "http://no-such-name.invalid/film"])
def test_a_host_that_cannot_be_reached_is_a_transient_failure(uri: str) -> None:
    with pytest.raises(BackendUnavailableError, match="no connection to the host of http://"):
        read(uri)


@pytest.mark.parametrize(
    ("page", "requested"), [("moved-utf8", "/echo/%C3%BCn%C3%AF.mp4"), ("moved-latin1", "/echo/%FCn%EF.mp4")]
)
def test_a_redirect_in_raw_bytes_is_followed(server: str, page: str, requested: str) -> None:
    assert read(f"{server}/{page}").decode() == requested


def test_the_user_agent_states_the_version(server: str) -> None:
    assert read(f"{server}/agent").decode() == f"videotag/{version('videotag')}"


def test_the_credentials_of_a_url_are_sent_to_its_host_and_shown_nowhere(server: str) -> None:
    host = server.removeprefix("http://")
    for user, page in (("me:se:cr%C3%A9t", "login"), ("me:se:crét", "moved-login")):
        assert read(f"http://{user}@{host}/{page}") == CONTENT
    for uri in (f"http://me:secret@{host}/login", "http://me:secret@127.0.0.1:9/", "http://me:sec/ret@h/",
                "ftp://me:secret@h/", "file://me:secret@h/x", "http://me:secret@[bad/"):  # fmt: skip
        with pytest.raises((MediaNotFoundError, BackendUnavailableError)) as caught:
            read(uri)
        text = caught.value.message + caught.value.hint
        assert "secret" not in text
        assert "ret@" not in text


def test_a_proxy_of_the_environment_is_used_unless_the_host_is_excluded(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert read(f"{server}/film") == CONTENT
    Handler.hits.clear()
    with pytest.raises(MediaNotFoundError, match="answered 404"):
        read("http://videos.example/film")
    assert [path for path in Handler.hits if path.startswith("http://videos.example")]
