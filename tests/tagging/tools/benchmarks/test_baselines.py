"""The baselines against plainer computations of the same results."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tagging.errors import ArtifactNotFoundError, InvalidManifestError, MissingPackageError
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.tools.benchmarks import xr_linear_environment
from tagging.tools.benchmarks.baselines import BaselineOptions, run_baselines
from tagging.tools.benchmarks.datasets import read_dataset
from tagging.tools.benchmarks.folder import BenchmarkFolder, read_table
from tagging.tools.benchmarks.labels import TrainingTags, vote_matrix
from tagging.tools.benchmarks.nearest import nearest
from tagging.tools.benchmarks.ngrams import tfidf
from tagging.tools.benchmarks.predictions import prediction_files, read_predictions
from tagging.tools.benchmarks.split import write_split
from tagging.tools.benchmarks.uploader_baseline import uploader_tags
from tagging.types import LabelledVideo, VideoRef
from tests.support.benchmark_data import write_youtube


@pytest.fixture
def folder(tmp_path: Path) -> BenchmarkFolder:
    write_split(read_dataset("youtube", write_youtube(tmp_path / "y.parquet")), tmp_path / "bench")
    return BenchmarkFolder(tmp_path / "bench")


def video(number: int, tags: list[str], uploader: str | None = None) -> LabelledVideo:
    return LabelledVideo(VideoRef(str(number), title="t", uploader_id=uploader), tuple(tags))


def options(tmp_path: Path) -> BaselineOptions:
    return BaselineOptions(FeatureStore(tmp_path / "store"), tmp_path / "xr")


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_nearest_agrees_with_sorting_all_products(form: str) -> None:
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(3)
    videos = np.round(rng.random((90, 12)), 1).astype(np.float32)
    videos[40:60] = videos[0:20]  # duplicates, which must be returned in order
    queries = videos[::7] + np.float32(0.01)
    products = queries @ videos.T
    want = np.argsort(-products, axis=1, kind="stable")[:, :9]
    made = np.asarray if form == "dense" else csr_matrix
    rows, similarity = nearest(made(queries), made(videos), 9, Silent())
    np.testing.assert_allclose(similarity, np.take_along_axis(products, want, 1), rtol=1e-5)
    if form == "dense":
        np.testing.assert_array_equal(rows, want)


def test_fewer_training_videos_than_neighbours_are_all_returned() -> None:
    rows, _ = nearest(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), 30, Silent())
    assert rows.shape == (3, 3)


def test_neighbours_vote_for_their_tags_with_their_similarity() -> None:
    tags = TrainingTags.of([video(0, ["a", "b"]), video(1, ["B ", "c"]), video(2, ["c", "d"])])
    similarity = np.array([[0.5, 0.2, -0.3]], np.float32)
    scores = vote_matrix(np.array([[0, 1, 2]]), similarity, 3) @ tags.labels
    assert tags.best(scores, 200) == [["b", "a", "c"]]  # 0.7, 0.5, 0.2; a negative similarity gives no vote
    assert tags.best(scores, 2) == [["b", "a"]]


def test_ties_go_to_the_more_frequent_tag() -> None:
    tags = TrainingTags.of([video(0, ["rare", "common"]), video(1, ["common"])])
    assert tags.best(vote_matrix(np.array([[0]]), np.ones((1, 1), np.float32), 2) @ tags.labels, 5) == [
        ["common", "rare"]
    ]


def test_tfidf_rows_are_two_unit_halves_fitted_on_the_training_texts_only() -> None:
    train, tests = tfidf(["big dog", "small cat"], ["big dog", "unheard of"], Silent())
    products = (tests @ train.T).toarray()
    assert products[0, 0] == pytest.approx(2.0, abs=1e-5)
    assert products[1].max() < 0.5
    with pytest.raises(InvalidManifestError):
        tfidf(["", "!"], ["a"], Silent())


def test_the_uploader_baseline_predicts_the_most_frequent_tags() -> None:
    train = [video(0, ["x", "y"], "u"), video(1, ["y"], "u"), video(2, ["z"], "w"), video(3, ["q"])]
    tags = TrainingTags.of(train)
    queries = [video(9, [], "u"), video(8, [], "new"), video(7, [])]
    assert tags.best(uploader_tags(train, tags, queries), 200) == [["y", "x"], [], []]


def test_baselines_write_the_same_predictions_each_time(folder: BenchmarkFolder, tmp_path: Path) -> None:
    tests = {name: read_table(folder.table(name)) for name in folder.tests()}
    written = run_baselines(folder, tests, ["tfidf", "usual"], options(tmp_path), Silent())
    first = {path: path.read_bytes() for path in written}
    assert {path.relative_to(folder.root).as_posix() for path in written} == {
        f"predictions/{test}/{peer}.jsonl.gz" for test in ("unseen", "seen") for peer in ("tfidf", "usual")
    }
    run_baselines(folder, tests, ["tfidf", "usual"], options(tmp_path), Silent())
    assert first == {path: path.read_bytes() for path in written}
    for test, videos in tests.items():
        found = read_predictions(folder.predictions(test) / "tfidf.jsonl.gz")
        assert list(found) == [row.video.video_id for row in videos]
        for row in videos:  # topic and word are in the title, and its neighbours share both
            assert found[row.video.video_id][0] in row.video.title.split()[:2]
    assert not any(read_predictions(folder.predictions("unseen") / "usual.jsonl.gz").values())


def test_the_uploader_baseline_agrees_with_a_plain_count(folder: BenchmarkFolder, tmp_path: Path) -> None:
    tests = {"seen": read_table(folder.table("seen"))}
    run_baselines(folder, tests, ["usual"], options(tmp_path), Silent())
    found = read_predictions(folder.predictions("seen") / "usual.jsonl.gz")
    train = read_table(folder.train)
    for row in tests["seen"]:
        own = [other for other in train if other.video.uploader_id == row.video.uploader_id]
        counts = Counter(tag.casefold() for other in own for tag in other.tags)
        order = found[row.video.video_id]
        assert set(order) == set(counts)
        assert [counts[tag] for tag in order] == sorted(counts.values(), reverse=True)


def test_a_folder_without_a_benchmark_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFoundError, match=r"no train\.parquet in it"):
        BenchmarkFolder(tmp_path).tests(["unseen"])


def test_a_training_table_without_tags_is_an_error(folder: BenchmarkFolder, tmp_path: Path) -> None:
    from tagging.tools.benchmarks.datasets import Row
    from tagging.tools.benchmarks.folder import write_table

    write_table([Row("a", "t", "", ())], folder.train)
    with pytest.raises(InvalidManifestError, match="no video with a tag"):
        run_baselines(folder, {}, ["tfidf"], options(tmp_path), Silent())


STAND_IN = """
import sys
from pathlib import Path
import scipy.sparse as sp
folder = Path(sys.argv[1])
x, y, q = (sp.load_npz(folder / f"{n}.npz") for n in ("train_x", "train_y", "test_x"))
sys.stderr.write("XR-Linear: trained after 0 s\\n")
sp.save_npz(folder / "scores.npz", (q @ x.T @ y).tocsr())
"""


def test_xr_linear_is_trained_on_tags_with_enough_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchange with the other Python, by a stand-in for the script; scores are sums of products with neighbours."""
    from scipy.sparse import csr_matrix

    (tmp_path / "script.py").write_text(STAND_IN)
    monkeypatch.setattr(xr_linear_environment, "SCRIPT", tmp_path / "script.py")
    tags = TrainingTags.of([video(0, ["a", "b"]), video(1, ["a", "c"])])
    x, q = csr_matrix(np.eye(2, dtype=np.float32)), csr_matrix(np.array([[1.0, 2.0]], np.float32))
    every = xr_linear_environment.xr_linear(Path(sys.executable), x, tags, q, Silent(), min_count=1)
    frequent = xr_linear_environment.xr_linear(Path(sys.executable), x, tags, q, Silent(), min_count=2)
    assert tags.best(every, 9) == [["a", "c", "b"]]
    assert tags.best(frequent, 9) == [["a"]]
    assert frequent.shape == (1, 3)


def test_a_python_without_libpecos_is_an_error(tmp_path: Path) -> None:
    from scipy.sparse import csr_matrix

    tags, x = TrainingTags.of([video(0, ["a"])]), csr_matrix(np.ones((1, 1), np.float32))
    with pytest.raises(MissingPackageError, match="pecos"):
        xr_linear_environment.xr_linear(Path(sys.executable), x, tags, x, Silent(), min_count=1)
    with pytest.raises(MissingPackageError, match="cannot be run"):
        xr_linear_environment.xr_linear(tmp_path / "no-python", x, tags, x, Silent(), min_count=1)


def test_an_environment_is_created_once_and_an_unfinished_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = iter([(0, ""), (1, "Collecting\nERROR: nothing matches\n"), (0, ""), (0, ""), (0, "")])

    def run(*_: object, **__: object) -> SimpleNamespace:
        (tmp_path / "env").mkdir(exist_ok=True)
        code, stderr = next(results)
        return SimpleNamespace(returncode=code, stderr=stderr)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(MissingPackageError, match="ERROR: nothing matches"):
        xr_linear_environment.make_environment(tmp_path / "env", Silent())
    for _ in range(2):
        assert xr_linear_environment.make_environment(tmp_path / "env", Silent()) == tmp_path / "env" / "bin" / "python"
    assert next(results, None) is None


def test_both_prediction_formats_of_the_scorer_are_read(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(
        '{"video_id": "a", "tags": ["x"]}\n{"video_id": "b", "tags": [{"name": "y", "confidence": 1}]}\n'
    )
    (tmp_path / "bad.jsonl").write_text('{"video_id": "a", "tags": ["x"]}\n{"video_id": "a"}\n')
    assert read_predictions(tmp_path / "p.jsonl") == {"a": ["x"], "b": ["y"]}
    assert list(prediction_files(tmp_path)) == ["bad", "p"]
    with pytest.raises(InvalidManifestError, match=r"bad\.jsonl: line 2: "):
        read_predictions(tmp_path / "bad.jsonl")
