"""A Milvus server, or milvus-lite: connections, errors, and the collections that videotag created there.

Milvus cannot know which bundles still exist: `videotag bundles drop-collections` removes the collections of deleted
ones.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
from pymilvus import MilvusClient, MilvusException

from tagging.errors import ArtifactCorruptError, ArtifactNotFoundError, BackendUnavailableError

FILE = "milvus.json"  # of an index folder; it has the name of the collection
PREFIX = "videotag_"  # of every collection that a build creates
TOKEN = "VIDEOTAG_MILVUS_TOKEN"  # "user:password" or an API key; secrets do not belong in a bundle's configuration
TIMEOUT_S = 60.0  # per request; without it the client retries for minutes
FAILURES = (MilvusException, grpc.RpcError)  # the client does not wrap all errors of gRPC, such as a missed deadline


def saved_collection(folder: Path) -> str | None:
    """Return the name of the collection that an index folder refers to; None for an index of another backend.

    Raises ArtifactCorruptError for a damaged file.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["collection"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactCorruptError(f"{path} cannot be read: {error!r}", "restore the bundle") from error


def collections_at(uri: str) -> list[str]:
    """Return the names of the collections that videotag created.

    Raises ArtifactNotFoundError for a milvus-lite that does not exist, and BackendUnavailableError.
    """
    require_existing(uri)
    with errors_of(uri):
        return sorted(name for name in connect(uri).list_collections(timeout=TIMEOUT_S) if name.startswith(PREFIX))


def drop_collections(uri: str, names: Sequence[str]) -> None:
    """Remove collections with their rows. Raises BackendUnavailableError."""
    with errors_of(uri):
        client = connect(uri)
        for name in names:
            client.drop_collection(name, timeout=TIMEOUT_S)


def require_existing(uri: str) -> None:
    """Raise ArtifactNotFoundError for a milvus-lite that does not exist: connecting would create an empty one."""
    if uri.endswith(".db") and not Path(uri).exists():
        raise ArtifactNotFoundError(f"there is no Milvus at {uri}", "restore it, or correct recall.index.uri")


def connect(uri: str) -> MilvusClient:
    # milvus-lite disconnects clients that send keepalive pings every ten seconds, their default.
    quiet = {"grpc.keepalive_time_ms": 2**31 - 1} if uri.endswith(".db") else {}
    return MilvusClient(uri=uri, token=os.environ.get(TOKEN, ""), timeout=TIMEOUT_S, grpc_options=quiet)


@contextmanager
def errors_of(uri: str) -> Iterator[None]:
    """Turn errors of the client into BackendUnavailableError with the name of the server."""
    try:
        yield
    except FAILURES as error:
        raise BackendUnavailableError(
            f"Milvus at {uri} failed: {reason_of(error)}",
            f"check that it runs, that recall.index.uri is right, and that {TOKEN} holds its token if it needs one; "
            "a milvus-lite folder serves one process at a time",
        ) from error


def reason_of(error: MilvusException | grpc.RpcError) -> str:
    if isinstance(error, MilvusException):
        return str(error.message)
    return f"{error.code().name}: {error.details()}" if isinstance(error, grpc.Call) else repr(error)
