"""Milvus index, for more rows than one machine holds: a server by its URL, or milvus-lite in a folder ending in .db.

The rows stay in Milvus; a bundle's folder contains the name of their collection. Each build creates a collection of its
own, so a new bundle never changes the results of an older one. Milvus cannot know which bundles still exist:
`videotag bundles drop-collections` removes the collections of deleted ones.
"""

import json
import logging
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient, MilvusException

from recall.index.base import SearchResult, check_rows
from recall.index.flat import nearest
from recall.index.hnsw import BUILD_BEAM, LINKS, beam
from tagging.errors import ArtifactCorruptError, ArtifactNotFoundError, BackendUnavailableError

logger = logging.getLogger(__name__)

FILE = "milvus.json"
PREFIX = "videotag_"  # of every collection that a build creates
TOKEN = "VIDEOTAG_MILVUS_TOKEN"  # "user:password" or an API key; secrets do not belong in a bundle's configuration
MOST = 16_384  # a server's limit on rows per query and on queries per request
BYTES_AT_ONCE = 4 * 2**20  # of rows per message
ANSWERS_AT_ONCE = 2**18  # rows in all answers to one request
TIMEOUT_S = 60.0  # per request; without it the client retries for minutes
LONG_S = 3_600.0  # for requests that wait until all rows are written or in memory
STRONG = "Strong"  # consistency level: sees every earlier insert


class MilvusIndex:
    backend = "milvus"
    is_exact = False

    def __init__(self, client: MilvusClient, uri: str, collection: str, dim: int, count: int) -> None:
        self._client = client
        self._uri = uri
        self._collection = collection
        self._count = count
        self.dim = dim

    @classmethod
    def build(cls, rows: NDArray[np.float32], uri: str) -> "MilvusIndex":
        """Create a collection of the rows. Raises BackendUnavailableError if Milvus does not answer."""
        rows = check_rows(rows)
        with _errors_of(uri):
            client = _connect(uri)
            index = cls(client, uri, f"{PREFIX}{uuid.uuid4().hex}", rows.shape[1], len(rows))
            schema = client.create_schema(auto_id=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("row", DataType.FLOAT_VECTOR, dim=index.dim)
            found_by = client.prepare_index_params()
            links = {"M": LINKS, "efConstruction": BUILD_BEAM}
            found_by.add_index("row", index_type="HNSW", metric_type="IP", params=links)
            try:
                client.create_collection(index._collection, schema=schema, index_params=found_by, timeout=TIMEOUT_S)
                index._insert(rows)
            except BaseException:  # signals too: no other code has the name of the collection
                index._abandon()
                raise
        return index

    @classmethod
    def load(cls, folder: Path, uri: str) -> "MilvusIndex":
        """Open the saved collection at `uri`, which may differ from where it was built: servers move.

        Raises ArtifactCorruptError, ArtifactNotFoundError and BackendUnavailableError.
        """
        path = folder / FILE
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            collection, built_at = str(saved["collection"]), str(saved["uri"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ArtifactCorruptError(f"{path} cannot be read: {error!r}", "restore it, or train again") from error
        if uri.endswith(".db") and not Path(uri).exists():  # milvus-lite would create an empty one
            raise ArtifactNotFoundError(f"there is no Milvus at {uri}", "restore it, or correct recall.index.uri")
        with _errors_of(uri):
            client = _connect(uri)
            if not client.has_collection(collection, timeout=TIMEOUT_S):
                raise ArtifactNotFoundError(
                    f"Milvus at {uri} has no collection {collection}; it was built at {built_at}",
                    "correct recall.index.uri, or train again",
                )
            client.load_collection(collection, timeout=LONG_S)
            fields = client.describe_collection(collection, timeout=TIMEOUT_S)["fields"]
            [dim] = [int(field["params"]["dim"]) for field in fields if field["name"] == "row"]
            index = cls(client, uri, collection, dim, 0)
            index._count = index._stored()
        return index

    def __len__(self) -> int:
        return self._count

    def search(self, queries: NDArray[np.float32], k: int) -> SearchResult:
        queries = check_rows(queries, self.dim)
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        found = min(k, len(self))
        if found > MOST:
            raise ValueError(f"Milvus returns at most {MOST} rows per query, {found} were requested")
        if not found:
            return SearchResult(ids, scores)
        step = min(MOST, ANSWERS_AT_ONCE // found)
        with _errors_of(self._uri):
            for start in range(0, len(queries), step):
                answers = self._client.search(
                    self._collection,
                    data=list(queries[start : start + step]),
                    anns_field="row",
                    limit=found,
                    search_params={"metric_type": "IP", "params": {"ef": beam(found)}},
                    output_fields=["id"],  # by default milvus-lite returns the vectors too
                    timeout=TIMEOUT_S,
                )
                for query, hits in enumerate(answers, start):
                    ids[query, : len(hits)] = [hit["id"] for hit in hits]
                    scores[query, : len(hits)] = [hit["distance"] for hit in hits]  # inner product: higher is closer
        short = np.flatnonzero((ids[:, :found] < 0).any(axis=1))
        if len(short) and len(self) <= MOST:  # the visited part of the graph holds fewer rows: compare with all of them
            exact = nearest(queries[short], self.rows(), found)
            ids[short, :found], scores[short, :found] = exact.ids, exact.scores
        return SearchResult(ids, scores)

    def rows(self) -> NDArray[np.float32]:
        rows = np.empty((len(self), self.dim), np.float32)
        with _errors_of(self._uri):
            for start in range(0, len(self), self._step):
                batch = list(range(start, min(start + self._step, len(self))))
                for row in self._client.query(
                    self._collection, ids=batch, output_fields=["id", "row"], timeout=TIMEOUT_S
                ):
                    rows[row["id"]] = row["row"]
        return rows

    def save(self, folder: Path) -> None:
        """Save the location of the rows; their number and width are read from Milvus when the index is loaded."""
        saved = {"uri": self._uri, "collection": self._collection}
        (folder / FILE).write_text(json.dumps(saved) + "\n", encoding="utf-8")

    def _abandon(self) -> None:
        """Drop a collection whose build failed; if that fails too, the first error is the one that is raised."""
        try:
            with _errors_of(self._uri):
                self._client.drop_collection(self._collection, timeout=TIMEOUT_S)
        except BackendUnavailableError as error:
            logger.warning("the collection %s may be left in Milvus: %s", self._collection, error.message)

    @property
    def _step(self) -> int:
        """Rows per message."""
        return min(MOST, max(1, BYTES_AT_ONCE // (4 * self.dim)))

    def _stored(self) -> int:
        [counted] = self._client.query(
            self._collection, output_fields=["count(*)"], consistency_level=STRONG, timeout=TIMEOUT_S
        )
        return int(counted["count(*)"])

    def _insert(self, rows: NDArray[np.float32]) -> None:
        for start in range(0, len(rows), self._step):
            batch = [
                {"id": start + position, "row": row} for position, row in enumerate(rows[start : start + self._step])
            ]
            self._client.insert(self._collection, batch, timeout=TIMEOUT_S)
        self._client.flush(self._collection, timeout=LONG_S)
        if (stored := self._stored()) != len(rows):
            raise ArtifactCorruptError(f"Milvus at {self._uri} holds {stored} of {len(rows)} rows", "check its log")


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
    """Return the names of the collections that videotag created. Raises BackendUnavailableError."""
    with _errors_of(uri):
        return sorted(name for name in _connect(uri).list_collections(timeout=TIMEOUT_S) if name.startswith(PREFIX))


def drop_collections(uri: str, names: Sequence[str]) -> None:
    """Remove collections with their rows. Raises BackendUnavailableError."""
    with _errors_of(uri):
        client = _connect(uri)
        for name in names:
            client.drop_collection(name, timeout=TIMEOUT_S)


def _connect(uri: str) -> MilvusClient:
    # milvus-lite disconnects clients that send keepalive pings every ten seconds, their default.
    quiet = {"grpc.keepalive_time_ms": 2**31 - 1} if uri.endswith(".db") else {}
    return MilvusClient(uri=uri, token=os.environ.get(TOKEN, ""), timeout=TIMEOUT_S, grpc_options=quiet)


@contextmanager
def _errors_of(uri: str) -> Iterator[None]:
    """Turn errors of the client into BackendUnavailableError with the name of the server."""
    try:
        yield
    except MilvusException as error:
        raise BackendUnavailableError(
            f"Milvus at {uri} failed: {error.message}",
            f"check that it runs, that recall.index.uri is right, and that {TOKEN} holds its token if it needs one; "
            "a milvus-lite folder serves one process at a time",
        ) from error
