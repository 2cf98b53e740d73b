"""The Milvus index on a real server: crashes, tokens, index types; test_backends.py runs the contract on it, too."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recall.index.base import VectorIndex
from recall.index.factory import build_index, load_index
from tagging.config.recall import IndexConfig
from tagging.errors import ArtifactNotFoundError, BackendUnavailableError
from tests.support.embeddings import Rows, clustered, nearest_ids, recall_at
from tests.support.milvus import TOKEN, MilvusServer, missing
from tests.support.polling import wait_until

pytestmark = [pytest.mark.milvus, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
pymilvus = pytest.importorskip("pymilvus", reason='pip install "videotag[milvus]" to test the backend milvus')

MANY = 20_000  # more than Milvus returns at once, 16,384
BACKENDS = ["milvus", "milvus-sq8"]


@pytest.fixture
def client(milvus_server: MilvusServer) -> Iterator[Any]:
    client = pymilvus.MilvusClient(uri=milvus_server.uri, token=TOKEN)
    yield client
    client.close()


@pytest.fixture(params=BACKENDS)
def config(request: pytest.FixtureRequest, milvus_server: MilvusServer) -> IndexConfig:
    return IndexConfig(backend=request.param, uri=milvus_server.uri)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return clustered(np.random.default_rng(0), MANY)


def collection_of(index: VectorIndex, folder: Path) -> str:
    from recall.index.milvus_server import saved_collection

    index.save(folder)
    name = saved_collection(folder)
    assert name is not None
    return name


def test_a_built_index_has_no_rows_to_index_and_a_loaded_one_keeps_its_type(
    config: IndexConfig, rows: Rows, client: Any, tmp_path: Path
) -> None:
    index = build_index(rows, config)
    state = client.describe_index(collection_of(index, tmp_path), "row")
    assert (state["indexed_rows"], state["pending_index_rows"]) == (MANY, 0)
    assert state["index_type"] == {"milvus": "HNSW", "milvus-sq8": "IVF_SQ8"}[config.backend]
    assert state.get("mmap.enabled") == {"milvus": None, "milvus-sq8": "True"}[config.backend]
    other = {"milvus": "milvus-sq8", "milvus-sq8": "milvus"}[config.backend]
    loaded = load_index(tmp_path, IndexConfig.model_validate({"backend": other, "uri": config.uri}), 32, MANY)
    assert loaded.backend == config.backend
    got = loaded.search(rows[:50], 10)
    assert recall_at(got.ids, nearest_ids(rows[:50], rows, 10)) >= 0.95


def test_the_most_rows_of_an_answer_are_found(config: IndexConfig, rows: Rows) -> None:
    got = build_index(rows, config).search(rows[:2], 16_384)
    assert [len(set(ids.tolist()) - {-1}) for ids in got.ids] == [16_384, 16_384]


@pytest.mark.slow
@pytest.mark.parametrize("fault", [MilvusServer.killed, MilvusServer.hung])
def test_a_search_fails_while_the_server_is_away_and_succeeds_afterwards(
    milvus_server: MilvusServer,
    config: IndexConfig,
    fault: Callable[[MilvusServer], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = clustered(np.random.default_rng(1), 2_000)
    index = build_index(few, config)
    before = index.search(few[:3], 10)
    monkeypatch.setattr("recall.index.milvus.TIMEOUT_S", 2.0)
    with fault(milvus_server), pytest.raises(BackendUnavailableError, match=r"Milvus at http://127\.0\.0\.1:19530 "):
        index.search(few[:3], 10)

    def recovers() -> bool:
        try:
            return np.array_equal(index.search(few[:3], 10).ids, before.ids)
        except BackendUnavailableError:  # the server is still loading the collection
            return False

    wait_until(recovers)


@pytest.mark.slow
def test_a_build_whose_server_dies_fails_instead_of_waiting(
    milvus_server: MilvusServer, config: IndexConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = pymilvus.MilvusClient.describe_index

    def dies(*arguments: Any, **options: Any) -> Any:
        milvus_server.kill()
        monkeypatch.setattr("recall.index.milvus.TIMEOUT_S", 2.0)
        return describe(*arguments, **options | {"timeout": 2.0})

    monkeypatch.setattr(pymilvus.MilvusClient, "describe_index", dies)
    try:
        with pytest.raises(BackendUnavailableError):
            build_index(clustered(np.random.default_rng(1), 2_000), config)
    finally:
        milvus_server.start()


@pytest.mark.parametrize("token", ["", "root:wrong", "nobody:Milvus"])
def test_a_wrong_token_is_a_known_error(
    milvus_server: MilvusServer, config: IndexConfig, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOTAG_MILVUS_TOKEN", token)
    with pytest.raises(BackendUnavailableError, match="illegal connection params") as caught:
        build_index(clustered(np.random.default_rng(1), 5), config)
    assert "VIDEOTAG_MILVUS_TOKEN" in caught.value.hint


def test_a_dropped_collection_is_gone(config: IndexConfig, client: Any, tmp_path: Path) -> None:
    from recall.index.milvus_server import collections_at, drop_collections

    assert config.uri is not None
    name = collection_of(build_index(clustered(np.random.default_rng(1), 5), config), tmp_path)
    assert name in collections_at(config.uri)
    drop_collections(config.uri, [name])
    assert name not in client.list_collections()
    with pytest.raises(ArtifactNotFoundError, match="has no collection"):
        load_index(tmp_path, config, dim=32, count=5)


def test_an_index_type_that_the_server_lacks_is_reported_before_rows_are_sent(
    milvus_server: MilvusServer, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recall.index.milvus_types import INDEX_TYPES

    monkeypatch.setitem(INDEX_TYPES, "milvus-sq8", replace(INDEX_TYPES["milvus-sq8"], name="HNSW_SQ"))  # of 2.5
    monkeypatch.setattr(pymilvus.MilvusClient, "insert", None)
    before = sorted(client.list_collections())
    with pytest.raises(
        BackendUnavailableError, match="cannot create an index of type HNSW_SQ: invalid index"
    ) as caught:
        build_index(np.zeros((1, 2), np.float32), IndexConfig(backend="milvus-sq8", uri=milvus_server.uri))
    assert "recall.index.backend" in caught.value.hint
    assert sorted(client.list_collections()) == before
