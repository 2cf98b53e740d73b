"""The Milvus index: collections, saving and errors; test_backends.py covers the contract of all indexes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from recall.index.factory import build_index, load_index
from tagging.config.recall import IndexConfig
from tagging.errors import (
    ArtifactCorruptError,
    ArtifactMismatchError,
    ArtifactNotFoundError,
    BackendUnavailableError,
)
from tests.support.embeddings import clustered, nearest_ids

pytestmark = pytest.mark.milvus
pymilvus = pytest.importorskip("pymilvus", reason='pip install "videotag[milvus]" to test the backend milvus')
pytest.importorskip("milvus_lite", reason='pip install "videotag[milvus]" to test the backend milvus')


@pytest.fixture
def config(tmp_path: Path) -> IndexConfig:
    return IndexConfig(backend="milvus", uri=str(tmp_path / "rows.db"))


@pytest.fixture
def saved(config: IndexConfig, tmp_path: Path) -> Path:
    """Return the folder of an index of ten rows."""
    folder = tmp_path / "saved"
    folder.mkdir()
    build_index(clustered(np.random.default_rng(0), 10), config).save(folder)
    return folder


@pytest.fixture
def client(config: IndexConfig) -> Iterator[Any]:
    client = pymilvus.MilvusClient(uri=config.uri)
    yield client
    client.close()


def test_a_saved_index_names_its_collection_and_contains_no_rows(saved: Path, client: Any) -> None:
    [path] = saved.iterdir()
    assert [json.loads(path.read_text())["collection"]] == client.list_collections()


def test_each_build_creates_its_own_collection(config: IndexConfig, saved: Path, client: Any) -> None:
    rows = clustered(np.random.default_rng(1), 5)
    build_index(rows, config)
    assert len(client.list_collections()) == 2
    assert len(load_index(saved, config, dim=rows.shape[1], count=10)) == 10


def test_a_dropped_collection_is_removed_from_milvus_and_cannot_be_loaded(
    config: IndexConfig, saved: Path, client: Any
) -> None:
    from recall.index.milvus_server import collections_at, drop_collections

    assert config.uri is not None
    drop_collections(config.uri, collections_at(config.uri))
    assert client.list_collections() == []
    with pytest.raises(ArtifactNotFoundError, match=r"has no collection videotag_.*; it was built at .*rows\.db"):
        load_index(saved, config, dim=32, count=10)


def test_only_collections_of_videotag_are_listed(config: IndexConfig, saved: Path, client: Any) -> None:
    from recall.index.milvus_server import collections_at, saved_collection

    assert config.uri is not None
    client.create_collection("of_another_program", dimension=4)
    assert collections_at(config.uri) == [saved_collection(saved)]


def test_a_failed_build_leaves_no_collection(
    config: IndexConfig, saved: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise pymilvus.MilvusException(message="disk full")

    monkeypatch.setattr(pymilvus.MilvusClient, "flush", full)
    with pytest.raises(BackendUnavailableError, match="disk full"):
        build_index(clustered(np.random.default_rng(2), 5), config)
    assert len(client.list_collections()) == 1


def test_an_interrupted_build_raises_the_interrupt_even_if_milvus_fails(
    config: IndexConfig, saved: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise SystemExit(143)

    def gone(*_: object, **__: object) -> None:
        raise pymilvus.MilvusException(message="not there")

    monkeypatch.setattr(pymilvus.MilvusClient, "flush", stop)
    monkeypatch.setattr(pymilvus.MilvusClient, "drop_collection", gone)
    with pytest.raises(SystemExit):
        build_index(clustered(np.random.default_rng(2), 5), config)
    assert "may be left in Milvus" in caplog.text


def test_a_collection_that_cannot_be_read_after_its_creation_is_removed(
    config: IndexConfig, saved: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise pymilvus.MilvusException(message="no memory")

    monkeypatch.setattr(pymilvus.MilvusClient, "load_collection", full)
    with pytest.raises(BackendUnavailableError, match="no memory"):
        build_index(clustered(np.random.default_rng(2), 5), config)
    assert len(client.list_collections()) == 1


def test_an_unreachable_server_is_a_known_error() -> None:
    with pytest.raises(BackendUnavailableError, match=r"Milvus at http://127\.0\.0\.1:1 ") as caught:
        build_index(np.zeros((1, 2), np.float32), IndexConfig(backend="milvus", uri="http://127.0.0.1:1"))
    assert "VIDEOTAG_MILVUS_TOKEN" in caught.value.hint


def test_an_error_of_grpc_is_a_known_error(config: IndexConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clustered(np.random.default_rng(2), 5)
    index = build_index(rows, config)

    def unreachable(*_: object, **__: object) -> None:
        with grpc.insecure_channel("127.0.0.1:1") as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/none/None")
            call(b"", timeout=60)

    monkeypatch.setattr(pymilvus.MilvusClient, "search", unreachable)
    with pytest.raises(BackendUnavailableError, match=r"rows\.db failed: UNAVAILABLE: .*127\.0\.0\.1:1"):
        index.search(rows, 1)


def test_rows_that_milvus_fails_to_index_are_reported_and_removed(
    config: IndexConfig, saved: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = iter([("InProgress", 5), ("Failed", 5)])

    def describe(*_: object, **__: object) -> dict[str, object]:
        state, pending = next(states)
        return {"state": state, "pending_index_rows": pending, "index_state_fail_reason": "disk full"}

    monkeypatch.setattr("recall.index.milvus.POLL_S", 0.0)
    monkeypatch.setattr(pymilvus.MilvusClient, "describe_index", describe)
    with pytest.raises(BackendUnavailableError, match=r"does not index the rows: .*disk full"):
        build_index(clustered(np.random.default_rng(2), 5), config)
    assert len(client.list_collections()) == 1


def test_indexing_without_progress_is_an_error(config: IndexConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter([9, 8, 8])

    def describe(*_: object, **__: object) -> dict[str, object]:
        return {"state": "InProgress", "pending_index_rows": next(states)}

    monkeypatch.setattr("recall.index.milvus.POLL_S", 0.0)
    monkeypatch.setattr("recall.index.milvus.NO_PROGRESS_S", 0.0)
    monkeypatch.setattr(pymilvus.MilvusClient, "describe_index", describe)
    with pytest.raises(BackendUnavailableError, match="does not index the rows"):
        build_index(clustered(np.random.default_rng(2), 5), config)
    assert next(states, None) is None  # not while rows were still being indexed


def test_a_collection_with_an_index_of_another_type_is_rejected(config: IndexConfig, saved: Path, client: Any) -> None:
    [collection] = client.list_collections()
    client.release_collection(collection)
    client.drop_index(collection, "row")
    found_by = client.prepare_index_params()
    found_by.add_index("row", index_type="IVF_FLAT", metric_type="IP", params={"nlist": 4})
    client.create_index(collection, found_by)
    with pytest.raises(ArtifactMismatchError, match="index of type IVF_FLAT, expected HNSW or IVF_SQ8"):
        load_index(saved, config, dim=32, count=10)


def test_a_missing_milvus_lite_file_is_not_created(saved: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    with pytest.raises(ArtifactNotFoundError, match=r"no Milvus at .*elsewhere\.db"):
        load_index(saved, IndexConfig(backend="milvus", uri=str(elsewhere)), dim=32, count=10)
    assert not elsewhere.exists()


@pytest.mark.parametrize("junk", ["", "[]", "{}"])
def test_a_damaged_file_is_a_known_error(saved: Path, config: IndexConfig, junk: str) -> None:
    (saved / "milvus.json").write_text(junk)
    with pytest.raises(ArtifactCorruptError, match=r"milvus\.json cannot be read"):
        load_index(saved, config, dim=32, count=10)


def test_rows_that_the_graph_search_misses_are_found_by_comparison(
    config: IndexConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = clustered(np.random.default_rng(4), 30)
    index = build_index(rows, config)
    search = pymilvus.MilvusClient.search

    def incomplete(*arguments: Any, **options: Any) -> list[Any]:
        return [hits[:-1] for hits in search(*arguments, **options)]

    monkeypatch.setattr(pymilvus.MilvusClient, "search", incomplete)
    got = index.search(rows[:3], k=30)
    np.testing.assert_array_equal(got.ids, nearest_ids(rows[:3], rows, 30))
    assert np.isfinite(got.scores).all()


def test_a_search_that_finds_too_few_rows_is_repeated_over_all_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = clustered(np.random.default_rng(4), 30)
    index = build_index(rows, IndexConfig(backend="milvus-sq8", uri=str(tmp_path / "rows.db")))
    search = pymilvus.MilvusClient.search
    probed = []

    def incomplete(*arguments: Any, **options: Any) -> list[Any]:
        probed.append((options["search_params"]["params"]["nprobe"], len(options["data"])))
        first = len(probed) == 1
        return [hits[:-1] if first and query else hits for query, hits in enumerate(search(*arguments, **options))]

    monkeypatch.setattr(pymilvus.MilvusClient, "search", incomplete)
    got = index.search(rows[:3], k=5)
    assert probed == [(256, 3), (1_024, 2)]
    np.testing.assert_array_equal(got.ids[:, :1], nearest_ids(rows[:3], rows, 1))
    assert (got.ids >= 0).all()


def test_more_rows_than_the_server_limit_are_rejected(config: IndexConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clustered(np.random.default_rng(3), 9)
    index = build_index(rows, config)
    monkeypatch.setattr("recall.index.milvus.MOST", 8)
    assert index.search(rows, k=8).ids.min() >= 0
    with pytest.raises(ValueError, match="at most 8 rows per query, 9 were requested"):
        index.search(rows, k=20)
