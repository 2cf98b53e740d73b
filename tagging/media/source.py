"""Media sources: opens a path, a file:// or http(s) URL, an object in a bucket, or an open file as a local file."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from tagging.config.media import MediaConfig
from tagging.errors import InvalidMediaError, MediaNotFoundError, SourceNotAllowedError
from tagging.files.addresses import REMOTE, is_remote, scheme_of
from tagging.media.copies import unnamed_file
from tagging.media.limits import check_bytes
from tagging.messages import shown

SUPPORTED = "a local path, file://, http://, https://, or an object such as s3://bucket/clip.mp4"


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

    Raises MediaNotFoundError, MediaTooBigError, BackendUnavailableError (a download that failed after all retries, or
    was not done within decode_timeout_s, or an unusable storage; it may succeed later), InvalidMediaError (no bytes at
    all) and OutputUnwritableError (no room for a download).
    """
    if isinstance(source, OpenFile):
        yield _checked(Path(f"/dev/fd/{source.descriptor}"), source.name, config)
        return
    uri = source
    scheme = scheme_of(uri)
    if scheme in ("http", "https", *REMOTE):
        with unnamed_file(shown(uri)) as file:
            (_copy if is_remote(uri) else _fetch)(uri, file, config)
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
        raise MediaNotFoundError(f"{shown(uri)}: names the host {parts.hostname!r}", "write file:///absolute/path")
    return Path(unquote(parts.path))


def _fetch(url: str, file: IO[bytes], config: MediaConfig) -> None:
    """Write the content of a URL to a file, with retries."""
    # Imported for the first URL: most workers decode local files, and start faster without an HTTP client.
    import asyncio

    from tagging.media.web.fetch import web_client
    from tagging.media.web.urls import parse_typed_address

    try:
        asyncio.run(web_client(config).download(parse_typed_address(url), file))
    except SourceNotAllowedError as error:  # not an http(s) address, or a redirect to another scheme
        raise MediaNotFoundError(f"cannot fetch {shown(url)}: {error.message}", f"give {SUPPORTED}") from error


def _copy(address: str, file: IO[bytes], config: MediaConfig) -> None:
    """Write the content of an object to a file."""
    # Imported for the first object, as the HTTP client is.
    from tagging.media.objects import copy_object

    copy_object(address, file, config)
