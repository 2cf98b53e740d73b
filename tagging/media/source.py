"""Media sources: opens a path, a file:// or http(s) URL, or an open file as a local file."""

import hashlib
import re
import string
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote, urlsplit

from tagging.config.media import MediaConfig
from tagging.errors import InvalidMediaError, MediaNotFoundError
from tagging.media.copies import unnamed_file, write
from tagging.media.limits import Deadline, check_bytes, timed_out

CHUNK = 1 << 16  # bytes
LONGEST_SHOWN = 200  # characters
SUPPORTED = "a local path, file://, http:// or https://"


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open file descriptor. The code that opened it is responsible for access checks; the file needs no name."""

    descriptor: int
    name: str  # for messages


def name_of(source: str | OpenFile) -> str:
    """The name of a source for messages."""
    return shown(source if isinstance(source, str) else source.name)


@contextmanager
def open_source(source: str | OpenFile, config: MediaConfig) -> Iterator[Path]:
    """Provide a local file with the bytes of a uri or an open file for the duration of the context.

    Raises MediaNotFoundError, MediaTooBigError, DecodeTimeoutError (a download that is not done within
    decode_timeout_s), InvalidMediaError (no bytes at all) and OutputUnwritableError (no room for a download).
    """
    if isinstance(source, OpenFile):
        yield _checked(Path(f"/dev/fd/{source.descriptor}"), source.name, config)
        return
    uri = source
    # "talk: part 1.mp4" is a file name; only "://" makes a scheme.
    scheme = match[1].lower() if (match := re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", uri)) else ""
    if scheme in ("http", "https"):
        with unnamed_file(shown(uri)) as file:
            _fetch(uri, file, config)
            yield _checked(Path(f"/dev/fd/{file.fileno()}"), uri, config)
    elif scheme in ("", "file"):
        yield _checked(Path(uri) if not scheme else _file_url_path(uri), uri, config)
    else:
        raise MediaNotFoundError(f"{shown(uri)}: cannot open {scheme}:// addresses", f"give {SUPPORTED}")


def content_hash(path: Path) -> str:
    """Return the sha256 of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(path: Path, uri: str, config: MediaConfig) -> Path:
    try:
        if path.is_dir():
            raise MediaNotFoundError(f"{shown(uri)} is a folder, expected a media file")
        if not path.is_file():  # also rejects pipes and devices, which may never end
            raise MediaNotFoundError(f"no file at {shown(uri)}", f"give {SUPPORTED}")
        with path.open("rb"):
            size = path.stat().st_size
    except OSError as error:
        raise MediaNotFoundError(f"cannot read {shown(uri)}: {error.strerror}") from error
    if not size:
        raise InvalidMediaError(f"{shown(uri)} has 0 bytes, expected a media file")
    check_bytes(size, config)
    return path


def _file_url_path(uri: str) -> Path:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise MediaNotFoundError(f"{shown(uri)}: {error}", "write file:///absolute/path") from error
    if parts.netloc not in ("", "localhost"):
        raise MediaNotFoundError(f"{shown(uri)}: names the host {parts.netloc!r}", "write file:///absolute/path")
    return Path(unquote(parts.path))


def _fetch(url: str, file: IO[bytes], config: MediaConfig) -> None:
    deadline = Deadline(config.decode_timeout_s)
    try:
        with _opener().open(_encoded_url(url), timeout=config.decode_timeout_s) as response:
            _copy(response, url, file, deadline, config)
    except urllib.error.HTTPError as error:
        error.close()  # closes the connection
        raise MediaNotFoundError(f"{shown(url)} answered {error.code} {_reason(error.reason)}, expected 200") from error
    except (OSError, HTTPException, ValueError) as error:  # ValueError: not a URL
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            raise timed_out(config.decode_timeout_s) from error
        raise MediaNotFoundError(f"cannot fetch {shown(url)}: {_reason(reason)}") from error


def _copy(response: HTTPResponse, url: str, file: IO[bytes], deadline: Deadline, config: MediaConfig) -> None:
    stated = response.headers.get("Content-Length", "")
    expected = int(stated) if stated.isascii() and stated.isdigit() else None
    check_bytes(expected or 0, config)
    received = 0
    # read1 returns after one packet: a server that drips bytes cannot outlast the deadline.
    while chunk := response.read1(CHUNK):
        deadline.check()
        received += len(chunk)
        check_bytes(received, config)
        write(file, chunk, shown(url))
    if expected is not None and received < expected:
        raise MediaNotFoundError(f"the connection ended after {received} of {expected} bytes", "try again")


def _opener() -> urllib.request.OpenerDirector:
    """Build urllib's default opener without ftp: and file:, to which a server could otherwise redirect."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _encoded_url(url: str) -> str:
    """Return an http(s) URL percent-encoded: pasted URLs contain spaces, umlauts and stray percent signs.

    Raises ValueError for a host that cannot be a domain name.
    """
    # Not urlsplit: it silently drops newlines and tabs.
    parts = re.fullmatch(r"([^:]*://)([^/?#]*?)(:[0-9]*)?([/?#].*)?", url, re.DOTALL)
    if parts is None:
        raise ValueError("not a URL")
    scheme, host, port, rest = parts.groups("")
    if not host.isascii():
        host = host.encode("idna").decode()
    return scheme + host + port + percent_encoded(rest)


def percent_encoded(text: str) -> str:
    """Percent-encode the part of a URL after its host; stray percent signs too, but no sequence that is encoded."""
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text), safe=string.punctuation)


def _reason(error: object) -> str:
    # urllib reports a redirect loop in several lines.
    return shown(" ".join(str(error).split()))


def shown(text: str) -> str:
    """Sanitise foreign text for a message: one line, bounded length, no terminal control characters."""
    line = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}…"
