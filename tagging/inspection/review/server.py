"""HTTP server of a review, for one editor on this machine.

It listens on the loopback address and answers only requests whose path starts with the token, a secret of this run.
Other web sites that the editor has open cannot use it: they do not know the token, the Host header is checked against
DNS rebinding, the Origin header against foreign pages, there is no CORS, and a body must be JSON. It serves the page
and JSON; no file is read by a name from a request.
"""

import hmac
import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tagging.errors import (
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    OutputUnwritableError,
    VideotagError,
)
from tagging.inspection.review.page import ReviewPage, review_page
from tagging.inspection.review.session import ReviewSession

logger = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
TOKEN_BYTES = 24
POLL_S = 0.1  # until the server notices that it should end
MAX_BODY = 16 * 1024  # bytes
TIMEOUT_S = 20.0  # of a connection that sends nothing
VERDICTS = (None, "accepted", "rejected")
STATUS = {
    ConflictError: HTTPStatus.CONFLICT,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    InvalidRequestError: HTTPStatus.BAD_REQUEST,
    OutputUnwritableError: HTTPStatus.INSUFFICIENT_STORAGE,
}
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Body = dict[str, Any]


class ReviewServer(ThreadingHTTPServer):
    """The server; `serve_forever` in a thread, `shutdown` from another, `server_close` at the end."""

    daemon_threads = True

    def __init__(self, port: int, token: str, session: ReviewSession, page: ReviewPage) -> None:
        """Listen on a port of the loopback address, 0 for any free one; raises OSError if it is in use."""
        self.token = token
        self.session = session
        self.page = page
        super().__init__((ADDRESS, port), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}/{self.token}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Called in the handler of an exception: a browser that went away is no error."""
        logger.debug("a connection of the review ended early", exc_info=True)


@contextmanager
def serving(port: int, session: ReviewSession) -> Iterator[ReviewServer]:
    """Serve a session under a token of its own while the context lasts; BusyError if the port cannot be used."""
    try:
        server = ReviewServer(port, secrets.token_urlsafe(TOKEN_BYTES), session, review_page())
    except OSError as error:
        raise BusyError(f"port {port} cannot be used: {error.strerror}", "choose another --port") from error
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), name="review-server", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version = "videotag"
    sys_version = ""
    timeout = TIMEOUT_S

    def do_GET(self) -> None:
        self._respond(self._get)

    def do_POST(self) -> None:
        self._respond(self._post)

    def _get(self, path: str, query: Mapping[str, list[str]]) -> Body | None:
        session = self.server.session
        match path:
            case "api/state":
                return session.state()
            case "api/video":
                return session.video()
            case "api/tags":
                return session.suggest(query.get("q", [""])[0])
        return None

    def _post(self, path: str, _: Mapping[str, list[str]]) -> Body | None:
        calls: Mapping[str, Callable[[Body], Body]] = {
            "api/decide": self._decide,
            "api/add": lambda body: self.server.session.add(_whole(body, "turn"), _text(body, "name")),
            "api/confirm": lambda body: self.server.session.confirm(_whole(body, "turn")),
            "api/undo": lambda body: self.server.session.undo(_whole(body, "turn")),
        }
        return calls[path](self._body()) if path in calls else None

    def _decide(self, body: Body) -> Body:
        verdict = body.get("verdict")
        if verdict not in VERDICTS:
            raise InvalidRequestError("verdict: accepted, rejected or null is expected")
        return self.server.session.decide(_whole(body, "turn"), _text(body, "key"), verdict)

    def _respond(self, call: Callable[[str, Mapping[str, list[str]]], Body | None]) -> None:
        try:
            url = self._own_url()
            if self.command == "GET" and not url[0]:
                return self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page.html)
            found = call(*url)
            status = HTTPStatus.OK if found is not None else HTTPStatus.NOT_FOUND
            self._send_json(status, found if found is not None else {"error": "no such page", "hint": ""})
        except VideotagError as error:
            status = STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
            self._send_json(status, {"error": error.message, "hint": error.hint})
        except OSError:
            raise  # the browser went away
        except Exception:  # a defect in one request must not end the review; the traceback is in the log
            logger.exception("unexpected error of the review")
            message = {"error": "unexpected error", "hint": "see the terminal"}
            self._send_json(HTTPStatus.INTERNAL_SERVER_ERROR, message)

    def _own_url(self) -> tuple[str, Mapping[str, list[str]]]:
        """Return the path after the token, and the query. Raises ForbiddenError for what is not the page's own."""
        hosts = {f"{name}:{self.server.port}" for name in (ADDRESS, "localhost")}
        if self.headers.get_all("Host") not in [[host] for host in hosts]:
            raise ForbiddenError("the Host header is not that of the review")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in hosts}:
            raise ForbiddenError("the request comes from another page")
        try:
            parts = urlsplit(self.path)
        except ValueError as error:
            raise ForbiddenError("the address has no valid token") from error
        token, slash, path = parts.path.removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode("ascii")):
            raise ForbiddenError("the address has no valid token", "open the address that the command printed")
        try:
            return path, parse_qs(parts.query, max_num_fields=4)
        except ValueError as error:
            raise InvalidRequestError("the query has too many fields") from error

    def _body(self) -> Body:
        lengths = self.headers.get_all("Content-Length") or [""]
        if self.headers.get("Transfer-Encoding") or len(lengths) != 1 or not lengths[0].isdecimal():
            raise InvalidRequestError("one Content-Length is expected")
        if len(lengths[0]) > len(str(MAX_BODY)) or int(lengths[0]) > MAX_BODY:
            raise InvalidRequestError(f"the body is larger than {MAX_BODY} bytes")
        if self.headers.get_content_type() != "application/json":
            raise InvalidRequestError("a body of application/json is expected")
        try:
            body = json.loads(self.rfile.read(int(lengths[0])))
        except (ValueError, RecursionError) as error:
            raise InvalidRequestError("the body is not JSON") from error
        if not isinstance(body, dict):
            raise InvalidRequestError("the body is not a JSON object")
        return body

    def _send_json(self, status: HTTPStatus, value: Body) -> None:
        self._send(status, "application/json", json.dumps(value, ensure_ascii=True, allow_nan=False).encode("ascii"))

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Security-Policy": self.server.page.policy}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Report a malformed request, as the base class finds it, in the form of every other error."""
        self._send_json(HTTPStatus(code), {"error": HTTPStatus(code).phrase, "hint": ""})

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: paths hold the token."""


def _whole(body: Body, name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequestError(f"{name}: a whole number is expected")
    return value


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name}: a text is expected")
    return value
