"""The server of a review over real HTTP: the way of an editor, and requests that are not the editor's."""

import http.client
import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tagging.errors import BusyError
from tagging.inspection.review.feedback_lines import read_feedback
from tagging.inspection.review.server import MAX_BODY, ReviewServer, serving
from tests.support.polling import wait_until
from tests.support.reviews import TableTagger, reviewing, videos

JSON = {"Content-Type": "application/json"}
SECRETS = ("/etc/passwd", "..%2f..%2fetc%2fpasswd", "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "api/../../x")


@dataclass(frozen=True, slots=True)
class Running:
    server: ReviewServer
    out: Path

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.server.url + path, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            self.server.url + path, json.dumps(body).encode(), headers={**JSON, **(headers or {})}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def turn(self) -> int:
        wait_until(lambda: self.get("api/state")["status"] == "open")
        return int(self.get("api/state")["turn"])

    def raw(self, text: bytes) -> bytes:
        """Send bytes as they are, end the sending side, and return the answer."""
        with closing(socket.create_connection(("127.0.0.1", self.server.port), timeout=30)) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    tagger = TableTagger({f"v{at}": {"dog": 0.9, "cat": 0.4} for at in range(3)})
    with reviewing(tmp_path / "f.jsonl", videos(3), tagger) as session, serving(0, session) as server:
        yield Running(server, tmp_path / "f.jsonl")


def test_an_editor_accepts_adds_undoes_and_confirms(running: Running) -> None:
    turn = running.turn()
    video = running.get("api/video")
    keys = {tag["name"]: tag["key"] for tag in video["tags"]}
    assert running.post("api/decide", {"turn": turn, "key": keys["dog"], "verdict": "accepted"})[0] == 200
    assert running.post("api/decide", {"turn": turn, "key": keys["cat"], "verdict": "rejected"})[0] == 200
    assert running.post("api/add", {"turn": turn, "name": "guitar"})[0] == 200
    status, state = running.post("api/undo", {"turn": turn})
    assert (status, [made["verdict"] for made in state["decisions"]]) == (200, ["accepted", "rejected"])
    status, state = running.post("api/confirm", {"turn": turn})
    assert (status, state["confirmed"]) == (200, 1)
    assert running.post("api/confirm", {"turn": turn})[0] == 409
    [written] = read_feedback(running.out)
    assert written.video.video_id == video["video_id"]
    assert running.get(f"api/tags?q={quote('gui')}")["tags"] == [{"name": "guitar"}, {"name": "Guitar Hero"}]


def test_the_page_is_served_under_its_policy_and_holds_no_token(running: Running) -> None:
    with urllib.request.urlopen(running.server.url, timeout=30) as answer:
        page, headers = answer.read().decode(), answer.headers
    policy = headers["Content-Security-Policy"]
    in_page = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert in_page is not None
    assert policy.replace("'", "&#x27;").startswith(in_page[1])
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["Access-Control-Allow-Origin"] is None
    assert "Python" not in headers["Server"]
    assert running.server.token not in page


def test_without_the_token_nothing_is_answered(running: Running) -> None:
    base = f"http://127.0.0.1:{running.server.port}"
    token = running.server.token
    for path in ("/", "/api/state", f"/{token}", f"/{token[:-1]}/", f"/{token}x/", f"/x/{token}/", "//[/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(base + path, timeout=30)
        with refused.value as error:
            assert error.code == 403
            assert token not in error.read().decode()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", ""])
def test_another_host_is_refused_against_dns_rebinding(running: Running, host: str) -> None:
    answer = running.raw(f"GET /{running.server.token}/api/state HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert answer.split()[1] == b"403"


def test_no_host_and_two_hosts_are_refused_and_localhost_is_accepted(running: Running) -> None:
    port, token = running.server.port, running.server.token
    start = f"GET /{token}/api/state HTTP/1.1\r\n"
    own = f"Host: 127.0.0.1:{port}\r\n"
    assert running.raw(f"{start}\r\n".encode()).split()[1] == b"403"
    assert running.raw(f"{start}{own}Host: evil.example\r\n\r\n".encode()).split()[1] == b"403"
    assert running.raw(f"{start}Host: localhost:{port}\r\n\r\n".encode()).split()[1] == b"200"


def test_another_origin_and_other_kinds_of_bodies_are_refused(running: Running) -> None:
    turn = running.turn()
    assert running.post("api/confirm", {"turn": turn}, {"Origin": "http://evil.example"})[0] == 403
    assert running.post("api/confirm", {"turn": turn}, {"Origin": "null"})[0] == 403
    assert running.post("api/confirm", {"turn": turn}, {"Content-Type": "text/plain"})[0] == 400
    assert running.out.read_bytes() == b""
    own = f"http://127.0.0.1:{running.server.port}"
    assert running.post("api/confirm", {"turn": turn}, {"Origin": own})[0] == 200


def test_there_is_no_cors(running: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.server.port, timeout=30)
    connection.request("OPTIONS", urlsplit(running.server.url).path + "api/confirm", headers={"Origin": "http://x"})
    answer = connection.getresponse()
    assert answer.status == 501
    assert answer.getheader("Access-Control-Allow-Origin") is None
    connection.close()


@pytest.mark.parametrize("path", SECRETS)
def test_no_file_is_served_by_name(running: Running, path: str) -> None:
    token = running.server.token
    answer = running.raw(f"GET /{token}/{path} HTTP/1.1\r\nHost: 127.0.0.1:{running.server.port}\r\n\r\n".encode())
    assert answer.split()[1] == b"404"
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "body", [None, [], 7, {}, {"turn": "1"}, {"turn": True}, {"turn": 1.5}, {"turn": None}, {"turn": float("nan")}]
)
def test_malformed_bodies_are_one_error(running: Running, body: object) -> None:
    running.turn()
    for path in ("api/confirm", "api/undo", "api/add", "api/decide"):
        status, answer = running.post(path, body)
        assert status == 400, path
        assert answer["error"]


def test_fields_of_another_type_are_one_error(running: Running) -> None:
    turn = running.turn()
    assert running.post("api/add", {"turn": turn, "name": 7})[0] == 400
    assert running.post("api/add", {"turn": turn, "name": "half \ud83d"})[0] == 400
    assert running.post("api/decide", {"turn": turn, "key": ["dog"], "verdict": "accepted"})[0] == 400
    assert running.post("api/decide", {"turn": turn, "key": "dog", "verdict": ["accepted"]})[0] == 400
    assert running.post("api/decide", {"turn": turn, "key": "dog", "verdict": "added"})[0] == 400
    assert running.post("api/nothing", {"turn": turn})[0] == 404
    with pytest.raises(urllib.error.HTTPError, match="400"):
        running.get("api/tags?" + "&".join(f"q{number}=x" for number in range(9)))


@pytest.mark.parametrize(
    "head",
    [
        f"Content-Length: {MAX_BODY + 1}",
        "Content-Length: " + "9" * 5000,
        "Content-Length: -1",
        "Content-Length: ²",
        "Content-Length: 2\r\nContent-Length: 2",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "X: none",
    ],
)
def test_the_size_of_a_body_is_bound_and_stated_once(running: Running, head: str) -> None:
    start = f"POST /{running.server.token}/api/undo HTTP/1.1\r\nHost: 127.0.0.1:{running.server.port}\r\n"
    answer = running.raw(f"{start}Content-Type: application/json\r\n{head}\r\n\r\n{{}}".encode())
    assert answer.split()[1] == b"400"


def test_deep_json_and_garbage_are_no_unexpected_errors(running: Running) -> None:
    start = f"POST /{running.server.token}/api/undo HTTP/1.1\r\nHost: 127.0.0.1:{running.server.port}\r\n"
    for body in (b"[" * 16_000, b"\xff\xfe", b'{"turn":' + b"9" * 5000 + b"}", b""):
        head = f"{start}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        assert running.raw(head.encode() + body).split()[1] == b"400"
    for line in (
        b"\x00\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b"\r\n\r\n",
    ):
        running.raw(line)
    assert running.get("api/state")["confirmed"] == 0


def test_two_pages_at_once_lose_no_decision(running: Running) -> None:
    turn = running.turn()
    keys = [tag["key"] for tag in running.get("api/video")["tags"]]
    added = [f"new tag {number}" for number in range(20)]
    statuses: list[int] = []

    def work(start: int) -> None:
        statuses.extend(running.post("api/add", {"turn": turn, "name": name})[0] for name in added[start::2])
        statuses.append(running.post("api/decide", {"turn": turn, "key": keys[start], "verdict": "accepted"})[0])

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 22
    outcomes = [running.post("api/confirm", {"turn": turn})[0] for _ in range(2)]
    assert outcomes == [200, 409]
    [written] = read_feedback(running.out)
    assert sorted(made.tag.name for made in written.draft.of_verdict("added")) == sorted(added)
    assert len(written.draft.of_verdict("accepted")) == 2


def test_a_used_port_is_an_error(running: Running) -> None:
    with pytest.raises(BusyError, match="in use"), serving(running.server.port, running.server.session):
        pass
