"""Milvus index, for more rows than one machine holds: a server by its URL, or milvus-lite in a folder ending in .db.

milvus_types.py has the two backends, with rows in memory or quantised and mapped from disk.

The rows stay in Milvus; a bundle's folder contains the name of their collection. Each build creates a collection of its
own, so a new bundle never changes the results of an older one.
"""

import json
import logging
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient

from recall.index.base import SearchResult, check_rows
from recall.index.flat import nearest
from recall.index.milvus_server import (
    FAILURES,
    FILE,
    PREFIX,
    TIMEOUT_S,
    connect,
    errors_of,
    reason_of,
    require_existing,
)
from recall.index.milvus_types import INDEX_TYPES
from tagging.errors import (
    ArtifactCorruptError,
    ArtifactMismatchError,
    ArtifactNotFoundError,
    BackendUnavailableError,
)

logger = logging.getLogger(__name__)

MOST = 16_384  # a server's limit on rows per query and on queries per request
BYTES_AT_ONCE = 4 * 2**20  # of rows per message
ANSWERS_AT_ONCE = 2**18  # rows in all answers to one request
LONG_S = 3_600.0  # for requests that wait until all rows are written or in memory
NO_PROGRESS_S = 3_600.0  # longest time in which Milvus may index no further rows
POLL_S = 0.5
STRONG = "Strong"  # consistency level: sees every earlier insert


class MilvusIndex:
    is_exact = False

    def __init__(self, client: MilvusClient, uri: str, collection: str, backend: str, dim: int, count: int) -> None:
        self.backend = backend
        self._type = INDEX_TYPES[backend]
        self._client = client
        self._uri = uri
        self._collection = collection
        self._count = count
        self.dim = dim

    @classmethod
    def build(cls, rows: NDArray[np.float32], uri: str, backend: str) -> "MilvusIndex":
        """Create a collection of the rows; returns when all are indexed and can be searched.

        Raises BackendUnavailableError if Milvus does not answer or has no such index type.
        """
        rows = check_rows(rows)
        with errors_of(uri):
            client = connect(uri)
            index = cls(client, uri, f"{PREFIX}{uuid.uuid4().hex}", backend, rows.shape[1], len(rows))
            try:
                index._create()
                index._insert(rows)
                index._wait_for_index()
                # Not earlier: until then Milvus would hold all rows in memory, whatever the index type.
                client.load_collection(index._collection, timeout=LONG_S)
                index._check_count()
            except BaseException:  # signals too: no other code has the name of the collection
                index._abandon()
                raise
        return index

    @classmethod
    def load(cls, folder: Path, uri: str) -> "MilvusIndex":
        """Open the saved collection at `uri`, which may differ from where it was built: servers move.

        The collection states its own index type. Raises ArtifactCorruptError, ArtifactMismatchError,
        ArtifactNotFoundError and BackendUnavailableError.
        """
        path = folder / FILE
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            collection, built_at = str(saved["collection"]), str(saved["uri"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ArtifactCorruptError(f"{path} cannot be read: {error!r}", "restore it, or train again") from error
        require_existing(uri)
        with errors_of(uri):
            client = connect(uri)
            if not client.has_collection(collection, timeout=TIMEOUT_S):
                raise ArtifactNotFoundError(
                    f"Milvus at {uri} has no collection {collection}; it was built at {built_at}",
                    "correct recall.index.uri, or train again",
                )
            backend = _backend_of(client, collection)
            client.load_collection(collection, timeout=LONG_S)
            fields = client.describe_collection(collection, timeout=TIMEOUT_S)["fields"]
            [dim] = [int(field["params"]["dim"]) for field in fields if field["name"] == "row"]
            index = cls(client, uri, collection, backend, dim, 0)
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
        ids[:, :found], scores[:, :found] = self._ask(queries, found, self._type.search(found))
        if len(short := np.flatnonzero((ids[:, :found] < 0).any(axis=1))):
            ids[short, :found], scores[short, :found] = self._ask(queries[short], found, self._type.widest)
        short = np.flatnonzero((ids[:, :found] < 0).any(axis=1))
        if len(short) and len(self) <= MOST:  # the visited part of the index holds fewer rows: compare with all of them
            exact = nearest(queries[short], self.rows(), found)
            ids[short, :found], scores[short, :found] = exact.ids, exact.scores
        return SearchResult(ids, scores)

    def _ask(
        self, queries: NDArray[np.float32], k: int, parameters: Mapping[str, object]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return ids and scores (Q, k) as Milvus finds them; it may find fewer and then they are padded."""
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        step = min(MOST, ANSWERS_AT_ONCE // k)
        with errors_of(self._uri):
            for start in range(0, len(queries), step):
                answers = self._client.search(
                    self._collection,
                    data=list(queries[start : start + step]),
                    anns_field="row",
                    limit=k,
                    search_params={"metric_type": "IP", "params": dict(parameters)},
                    output_fields=["id"],  # by default milvus-lite returns the vectors too
                    timeout=TIMEOUT_S,
                )
                for query, hits in enumerate(answers, start):
                    ids[query, : len(hits)] = [hit["id"] for hit in hits]
                    scores[query, : len(hits)] = [hit["distance"] for hit in hits]  # inner product: higher is closer
        return ids, scores

    def rows(self) -> NDArray[np.float32]:
        rows = np.empty((len(self), self.dim), np.float32)
        with errors_of(self._uri):
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
            with errors_of(self._uri):
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

    def _create(self) -> None:
        """Create the collection and its index, before any row is sent: a server without the index type refuses here."""
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        mapped = {"mmap_enabled": True} if self._type.mapped else {}
        schema.add_field("row", DataType.FLOAT_VECTOR, dim=self.dim, **mapped)
        self._client.create_collection(self._collection, schema=schema, timeout=TIMEOUT_S)
        parameters = {**self._type.build, **({"mmap.enabled": True} if self._type.mapped else {})}
        found_by = self._client.prepare_index_params()
        found_by.add_index("row", index_name="row", index_type=self._type.name, metric_type="IP", params=parameters)
        try:
            self._client.create_index(self._collection, found_by, timeout=TIMEOUT_S, sync=False)
        except FAILURES as error:
            raise BackendUnavailableError(
                f"Milvus at {self._uri} cannot create an index of type {self._type.name}: {reason_of(error)}",
                f"the backend {self.backend} needs a server with this type, as all of 2.3 and later; or choose another "
                f"recall.index.backend: {', '.join(INDEX_TYPES)}",
            ) from error

    def _insert(self, rows: NDArray[np.float32]) -> None:
        for start in range(0, len(rows), self._step):
            batch = [
                {"id": start + position, "row": row} for position, row in enumerate(rows[start : start + self._step])
            ]
            self._client.insert(self._collection, batch, timeout=TIMEOUT_S)
        self._client.flush(self._collection, timeout=LONG_S)

    def _wait_for_index(self) -> None:
        """Wait until Milvus has indexed all rows. The client's own wait has no limit of time."""
        pending, changed_s = -1, time.monotonic()
        while True:
            found = self._client.describe_index(self._collection, "row", timeout=TIMEOUT_S)
            if found["state"] == "Finished" and not found["pending_index_rows"]:
                return
            changed, pending = found["pending_index_rows"] != pending, found["pending_index_rows"]
            if changed:
                changed_s = time.monotonic()
            if found["state"] == "Failed" or (not changed and time.monotonic() > changed_s + NO_PROGRESS_S):
                raise BackendUnavailableError(
                    f"Milvus at {self._uri} does not index the rows: {found}", "check its log and its memory"
                )
            time.sleep(POLL_S)

    def _check_count(self) -> None:
        if (stored := self._stored()) != len(self):
            raise ArtifactCorruptError(f"Milvus at {self._uri} holds {stored} of {len(self)} rows", "check its log")


def _backend_of(client: MilvusClient, collection: str) -> str:
    found = client.describe_index(collection, "row", timeout=TIMEOUT_S)["index_type"]
    for backend, index_type in INDEX_TYPES.items():
        if index_type.name == found:
            return backend
    known = " or ".join(index_type.name for index_type in INDEX_TYPES.values())
    raise ArtifactMismatchError(
        f"the collection {collection} has an index of type {found}, expected {known}", "train again"
    )
