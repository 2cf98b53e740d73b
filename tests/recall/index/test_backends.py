"""Index backends: one suite for all of them, compared with brute force."""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import pytest

import recall.index
from recall.index.base import Searchable, VectorIndex
from recall.index.factory import build_index, load_index
from recall.index.growing import GrowingIndex
from tagging.config.profiles import parse_config
from tagging.config.recall import IndexConfig
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError, InvalidConfigError, MissingPackageError
from tests.support.embeddings import Rows, clustered, nearest_ids, recall_at, unit
from tests.support.milvus import missing

DIM = 32
MANY = 10_000  # ivf-pq is trained on at least 9,984 rows
HAS_MILVUS = find_spec("pymilvus") is not None and find_spec("milvus_lite") is not None
NEEDS_MILVUS = [
    pytest.mark.milvus,
    pytest.mark.skipif(not HAS_MILVUS, reason='pip install "videotag[milvus]" to test the backend milvus'),
]
FAISS = ["faiss", "hnsw", "ivf-pq"]
MILVUS = ["milvus", "milvus-sq8"]
NO_SERVER = pytest.mark.skipif(missing() is not None, reason=missing() or "")
BACKENDS = [
    "flat",
    *FAISS,
    *(pytest.param(backend, marks=NEEDS_MILVUS) for backend in MILVUS),
    *(pytest.param(f"{backend} on a server", marks=[*NEEDS_MILVUS, NO_SERVER]) for backend in MILVUS),
]
# Least recall of an approximate index; two hundred neighbours reach beyond the topic of the query.
RECALL_AT_10 = {"hnsw": 0.98, "ivf-pq": 0.97, "milvus": 0.95, "milvus-sq8": 0.95}
RECALL_AT_200 = {"hnsw": 0.97, "ivf-pq": 0.92, "milvus": 0.95, "milvus-sq8": 0.95}
# Largest errors of scores and of rows read back, where they are quantised.
SCORE_ERROR = {"ivf-pq": 1e-3, "milvus-sq8": 5e-3}
ROW_ERROR = {"ivf-pq": 5e-4}

Build = Callable[[Rows], VectorIndex]


@pytest.fixture(params=BACKENDS, scope="module")
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> IndexConfig:
    backend, _, server = request.param.partition(" ")
    if server:
        return IndexConfig(backend=backend, uri=request.getfixturevalue("milvus_server").uri)
    return IndexConfig(
        backend=backend, uri=str(tmp_path_factory.mktemp("milvus") / "rows.db") if backend in MILVUS else None
    )


@pytest.fixture
def build(config: IndexConfig) -> Build:
    return lambda rows: build_index(rows, config)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return clustered(np.random.default_rng(0), MANY, DIM)


@pytest.fixture(scope="module")
def queries(rows: Rows) -> Rows:
    """Return queries that are close to rows but equal to none."""
    rng = np.random.default_rng(1)
    return unit(rows[rng.integers(0, MANY, 60)] + 0.05 * rng.normal(size=(60, DIM)))


@pytest.fixture(scope="module")
def index(rows: Rows, config: IndexConfig) -> VectorIndex:
    return build_index(rows, config)


def test_every_index_agrees_with_brute_force(
    index: VectorIndex, config: IndexConfig, rows: Rows, queries: Rows
) -> None:
    want = nearest_ids(queries, rows, 10)
    got = index.search(queries, k=10)
    if index.is_exact:
        np.testing.assert_array_equal(got.ids, want)
    else:
        assert recall_at(got.ids, want) >= RECALL_AT_10[config.backend]
    true_scores = np.take_along_axis(queries @ rows.T, got.ids, axis=1)
    np.testing.assert_allclose(got.scores, true_scores, atol=SCORE_ERROR.get(config.backend, 1e-5))
    assert (np.diff(got.scores, axis=1) <= 0).all()


def test_large_numbers_of_neighbours_are_found(
    index: VectorIndex, config: IndexConfig, rows: Rows, queries: Rows
) -> None:
    got = index.search(queries, k=200)
    assert recall_at(got.ids, nearest_ids(queries, rows, 200)) >= RECALL_AT_200.get(config.backend, 1.0)


def test_a_search_returns_k_rows_if_there_are_so_many(index: VectorIndex, queries: Rows) -> None:
    for k in (1, 3_000, MANY):
        got = index.search(queries[:2], k)
        for ids in got.ids:
            found = ids[ids >= 0].tolist()
            assert len(set(found)) == len(found)
            assert len(found) == k


def test_identical_rows_are_all_found(build: Build) -> None:
    same = np.repeat(clustered(np.random.default_rng(2), 1, 8), 300, axis=0)
    got = build(same).search(same[:1], k=300)
    assert sorted(got.ids[0].tolist()) == list(range(300))


def test_results_are_padded_if_the_index_has_fewer_than_k_rows(build: Build) -> None:
    rng = np.random.default_rng(1)
    got = build(clustered(rng, 3)).search(clustered(rng, 2), k=5)
    assert (got.ids[:, 3:] == -1).all()
    assert np.isneginf(got.scores[:, 3:]).all()
    assert (np.sort(got.ids[:, :3]) == [0, 1, 2]).all()


def test_an_empty_index_returns_padding(build: Build) -> None:
    got = build(np.zeros((0, 4), np.float32)).search(np.ones((1, 4), np.float32), k=2)
    assert got.ids.tolist() == [[-1, -1]]
    assert np.isneginf(got.scores).all()


def test_no_queries_give_an_empty_result(index: VectorIndex) -> None:
    assert index.search(np.zeros((0, DIM), np.float32), k=3).ids.shape == (0, 3)


@pytest.mark.parametrize("wrong", [np.zeros((2, DIM - 1), np.float32), np.full((1, DIM), np.nan, np.float32)])
def test_queries_of_another_width_or_not_finite_are_rejected(index: VectorIndex, wrong: Rows) -> None:
    with pytest.raises(ValueError, match=r"shape|finite"):
        index.search(wrong, k=1)


def test_rows_that_are_not_finite_are_rejected(build: Build) -> None:
    with pytest.raises(ValueError, match="finite"):
        build(np.full((3, DIM), np.inf, np.float32))


def test_an_index_returns_its_rows(index: VectorIndex, config: IndexConfig, rows: Rows) -> None:
    np.testing.assert_allclose(index.rows(), rows, atol=ROW_ERROR.get(config.backend, 0))


def test_a_saved_index_gives_the_same_results_after_loading(
    index: VectorIndex, config: IndexConfig, queries: Rows, tmp_path: Path
) -> None:
    index.save(tmp_path)
    loaded = load_index(tmp_path, config, dim=DIM, count=MANY)
    np.testing.assert_array_equal(loaded.search(queries, 7).ids, index.search(queries, 7).ids)
    assert loaded.is_exact == index.is_exact


@pytest.mark.parametrize(("dim", "count"), [(DIM - 1, 50), (DIM, 49)])
def test_an_index_of_another_width_or_size_than_stated_is_rejected(
    build: Build, config: IndexConfig, tmp_path: Path, dim: int, count: int
) -> None:
    build(clustered(np.random.default_rng(4), 50)).save(tmp_path)
    with pytest.raises(ArtifactMismatchError, match=f"{count} of {dim}"):
        load_index(tmp_path, config, dim=dim, count=count)


def test_rows_can_be_added_and_removed_over_any_index(
    index: VectorIndex, config: IndexConfig, rows: Rows, queries: Rows
) -> None:
    rng = np.random.default_rng(5)
    added = unit(queries[:20] + 0.1 * rng.normal(size=(20, DIM)))
    nearest = np.unique(nearest_ids(queries, rows, 6))
    growing = GrowingIndex(index)
    searchable: Searchable = growing
    assert growing.add(added).tolist() == list(range(MANY, MANY + 20))
    assert growing.remove(nearest) == len(nearest)
    assert growing.remove([MANY + 3]) == 1
    everything = np.concatenate([rows, added])
    live = np.setdiff1d(np.arange(MANY + 20), [*nearest, MANY + 3])
    want = live[nearest_ids(queries, everything[live], 10)]
    assert len(growing) == len(live)
    kept, folded = growing.live()
    np.testing.assert_array_equal(kept, live)
    np.testing.assert_allclose(folded, everything[live], atol=ROW_ERROR.get(config.backend, 0))
    for ids in (searchable.search(queries, k=10).ids, live[build_index(folded, config).search(queries, k=10).ids]):
        assert np.isin(ids, live).all()
        if index.is_exact:
            np.testing.assert_array_equal(ids, want)
        else:
            assert recall_at(ids, want) >= RECALL_AT_10[config.backend]


@pytest.mark.parametrize("backend", FAISS)
@pytest.mark.parametrize("junk", [b"", b"junk", b"IxHI" + bytes(60)])
def test_a_file_that_faiss_cannot_read_is_a_known_error(tmp_path: Path, backend: str, junk: bytes) -> None:
    (tmp_path / "index.faiss").write_bytes(junk)
    with pytest.raises(ArtifactCorruptError, match=r"index\.faiss cannot be read"):
        load_index(tmp_path, IndexConfig.model_validate({"backend": backend}), dim=4, count=1)


def test_a_faiss_index_of_another_metric_is_rejected(tmp_path: Path) -> None:
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "index.faiss"))
    with pytest.raises(ArtifactMismatchError, match="IndexFlatL2 of metric 1"):
        load_index(tmp_path, IndexConfig(), dim=4, count=0)


def test_ivf_pq_searches_few_rows_exactly_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    few = clustered(np.random.default_rng(6), 100)
    index = build_index(few, IndexConfig(backend="ivf-pq"))
    assert "ivf-pq needs 9984 rows for training" in caplog.text
    assert index.is_exact
    np.testing.assert_array_equal(index.search(few, 5).ids, nearest_ids(few, few, 5))


def test_auto_searches_few_rows_exactly_and_many_by_ivf_pq(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recall.index.factory.MOST_EXACT_ROWS", MANY)
    assert build_index(rows, IndexConfig(backend="auto")).backend == "faiss"
    monkeypatch.setattr("recall.index.factory.MOST_EXACT_ROWS", MANY - 1)
    assert build_index(rows, IndexConfig(backend="auto")).backend == "ivf-pq"


def test_ivf_pq_depends_on_the_seed_only(rows: Rows, tmp_path: Path) -> None:
    saved = []
    for number, seed in enumerate([1, 1, 2]):
        (tmp_path / str(number)).mkdir()
        build_index(rows, IndexConfig(backend="ivf-pq"), seed).save(tmp_path / str(number))
        saved.append((tmp_path / str(number) / "index.faiss").read_bytes())
    assert saved[0] == saved[1] != saved[2]


@pytest.mark.parametrize("dim", [7, 12])
def test_ivf_pq_accepts_rows_of_any_width(dim: int) -> None:
    narrow = clustered(np.random.default_rng(7), MANY, dim)
    got = build_index(narrow, IndexConfig(backend="ivf-pq")).search(narrow[:30], 10)
    assert recall_at(got.ids, nearest_ids(narrow[:30], narrow, 10)) >= 0.95


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["faiss", "ivf-pq"])
def test_gpu_and_cpu_find_the_same_rows(
    rows: Rows, queries: Rows, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not faiss.get_num_gpus():
        pytest.skip("FAISS sees no GPU")
    config = IndexConfig.model_validate({"backend": backend})
    got = [build_index(rows, config).search(queries, k) for k in (10, 3_000)]
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    want = [build_index(rows, config).search(queries, k) for k in (10, 3_000)]
    for on_gpu, on_cpu in zip(got, want, strict=True):
        assert recall_at(on_gpu.ids, on_cpu.ids) >= 0.99


def pretended_gpu(monkeypatch: pytest.MonkeyPatch, to_gpu: Callable[..., object]) -> None:
    """Functions that only GPU builds of FAISS have."""
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "GpuClonerOptions", SimpleNamespace, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", to_gpu, raising=False)


@pytest.mark.parametrize("backend", ["faiss", "ivf-pq"])
def test_all_rows_are_searched_on_the_gpu_and_saved_unchanged(
    rows: Rows, queries: Rows, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []

    def to_gpu(_resources: object, _device: int, index: Any, _options: object) -> Any:
        moved.append(type(index).__name__)
        return faiss.clone_index(index)

    config = IndexConfig.model_validate({"backend": backend})
    build_index(rows, config).save(tmp_path)
    on_cpu = load_index(tmp_path, config, DIM, MANY)
    pretended_gpu(monkeypatch, to_gpu)
    on_gpu = load_index(tmp_path, config, DIM, MANY)
    assert moved == ["IndexFlatIP"]
    assert recall_at(on_gpu.search(queries, 10).ids, nearest_ids(queries, on_cpu.rows(), 10)) == 1.0
    most = 3_000  # more than a GPU's kernels give
    np.testing.assert_array_equal(on_gpu.search(queries, most).ids, on_cpu.search(queries, most).ids)
    saved = (tmp_path / "index.faiss").read_bytes()
    on_gpu.save(tmp_path)
    assert (tmp_path / "index.faiss").read_bytes() == saved


@pytest.mark.parametrize(
    ("backend", "warning"), [("faiss", "the GPU cannot hold the index: out of memory"), ("hnsw", "")]
)
def test_an_index_that_does_not_fit_the_gpu_is_searched_on_the_cpu(
    backend: str, warning: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(*_: object) -> None:
        raise RuntimeError("out of memory")

    pretended_gpu(monkeypatch, refuses)
    few = clustered(np.random.default_rng(8), 20)
    index = build_index(few, IndexConfig.model_validate({"backend": backend}))
    assert index.search(few, 1).ids[:, 0].tolist() == list(range(20))
    assert warning in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"backend": "milvus"},
        {"backend": "milvus-sq8"},
        {"backend": "faiss", "uri": "http://localhost:19530"},
        {"backend": "milvus", "uri": "relative.db"},
        {"backend": "milvus", "uri": "http://user:password@localhost:19530"},
    ],
)
def test_a_uri_with_a_password_or_for_another_backend_is_rejected(wrong: dict[str, str]) -> None:
    tree = {"profile": "t", "encoders": {"text": {"backend": "hashed-ngrams"}}, "recall": {"index": wrong}}
    with pytest.raises(InvalidConfigError, match="uri"):
        parse_config(tree, source="tests")


def test_milvus_without_its_library_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    monkeypatch.delitem(sys.modules, "recall.index.milvus", raising=False)
    monkeypatch.delattr(recall.index, "milvus", raising=False)
    with pytest.raises(MissingPackageError) as caught:
        build_index(np.zeros((1, 2), np.float32), IndexConfig(backend="milvus", uri="http://localhost:1"))
    assert "videotag[milvus]" in caught.value.hint
