"""Scoring of systems, by a stand-in that counts plainly, and by the real scorer if it is available."""

import json
from pathlib import Path

import pytest

from tagging.errors import ArtifactNotFoundError, VideotagError
from tagging.progress import Silent
from tagging.tools.benchmarks.datasets import read_dataset
from tagging.tools.benchmarks.folder import BenchmarkFolder, read_table
from tagging.tools.benchmarks.markdown import markdown_table
from tagging.tools.benchmarks.predictions import write_predictions
from tagging.tools.benchmarks.score import Tables, score
from tagging.tools.benchmarks.scorer import Scorer, chosen_videos
from tagging.tools.benchmarks.split import write_split
from tests.support import plain_scorer
from tests.support.benchmark_data import fake_scorer, write_youtube
from tests.support.paths import SHARED
from tests.support.tools import run_tools

SCORER = SHARED / "tools" / "eval_tags.py"
NEEDS_SCORER = pytest.mark.skipif(not SCORER.is_file(), reason="the external scorer is not available")


@pytest.fixture
def folder(tmp_path: Path) -> BenchmarkFolder:
    write_split(read_dataset("youtube", write_youtube(tmp_path / "y.parquet")), tmp_path / "bench")
    folder = BenchmarkFolder(tmp_path / "bench")
    for test in folder.tests():
        rows = read_table(folder.table(test))
        write_predictions(
            [(row.video.video_id, row.tags) for row in rows], folder.predictions(test) / "oracle.jsonl.gz"
        )
        write_predictions([(row.video.video_id, ["no"]) for row in rows], folder.predictions(test) / "wrong.jsonl.gz")
    return folder


def by_system(tables: Tables, table: str, test: str) -> dict[str, dict[str, object]]:
    return {str(row["system"]): row for row in tables[table] if row["test"] == test}


@NEEDS_SCORER
def test_every_system_of_every_test_is_scored(folder: BenchmarkFolder) -> None:
    tables = score(folder, folder.tests(), [], Scorer(SCORER), Silent())
    for test in ("unseen", "seen"):
        found = by_system(tables, "recall", test)
        tagged = sum(bool(row.tags) for row in read_table(folder.table(test)))
        assert set(found) == {"oracle", "wrong"}
        assert found["oracle"]["videos"] == tagged
        assert [found["oracle"][name] for name in ("R@20", "R@200", "R@200 known")] == [1.0, 1.0, 1.0]
        assert [found["wrong"][name] for name in ("R@20", "P@5", "PSP@5")] == [0.0, 0.0, 0.0]
        assert found["oracle"]["R@20 95%"] == "1.0-1.0"
    pairs = sum(len(row.tags) for row in read_table(folder.table("unseen")))
    bands = [row for row in tables["bands"] if (row["test"], row["system"]) == ("unseen", "oracle")]
    assert sum(row["pairs"] for row in bands) == pairs
    assert {row["script"] for row in tables["scripts"]} == {"Latin"}


@NEEDS_SCORER
def test_known_recall_ignores_tags_unseen_in_training(folder: BenchmarkFolder) -> None:
    """Each tag `by N` belongs to a single uploader, so it is unknown for an unseen one."""
    rows = read_table(folder.table("unseen"))
    predictions = [(row.video.video_id, [tag for tag in row.tags if not tag.startswith("by ")]) for row in rows]
    write_predictions(predictions, folder.predictions("unseen") / "closed.jsonl.gz")
    closed = by_system(score(folder, ["unseen"], ["closed"], Scorer(SCORER), Silent()), "recall", "unseen")["closed"]
    assert closed["R@200"] == pytest.approx(2 / 3, abs=1e-4)
    assert closed["R@200 known"] == 1.0


@NEEDS_SCORER
def test_the_predicted_sample_is_the_scored_sample(folder: BenchmarkFolder) -> None:
    scorer = Scorer(SCORER, sample=3)
    chosen = chosen_videos(scorer, folder.table("seen"))
    predictions = [(row.video.video_id, row.tags) for row in chosen]
    write_predictions(predictions, folder.predictions("seen") / "sampled.jsonl.gz")
    row = by_system(score(folder, ["seen"], [], scorer, Silent()), "recall", "seen")["sampled"]
    assert (row["videos"], row["unanswered"], row["R@200"], row["R@200 known"]) == (3, 0, 1.0, 1.0)
    assert all(row.tags for row in chosen)


@NEEDS_SCORER
@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_the_command_prints_the_three_tables(
    form: str, folder: BenchmarkFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    run_tools("benchmarks", "score", str(folder.root), "--test", "seen", "--scorer", str(SCORER), "--format", form)
    output = capsys.readouterr().out
    for word in ("oracle", "nDCG@10", "PSP@5", "R@200 known", "script"):
        assert word in output
    if form == "json":
        assert list(json.loads(output)) == ["recall", "bands", "scripts"]
    if form == "markdown":
        assert output.count("| test | system |") == 3


def test_a_scorer_is_run_as_a_program(folder: BenchmarkFolder) -> None:
    scorer, truth = Scorer(Path(plain_scorer.__file__)), folder.table("seen")
    assert scorer.sampled(truth) == read_table(truth)
    for path in folder.predictions("seen").iterdir():
        assert scorer.score(truth, folder.train, path) == plain_scorer.scores_of(truth, path)


def test_markdown_keeps_every_row_on_one_line() -> None:
    rows = [{"system": "a|b", "n": 3, "R@20": 0.5}, {"system": "c", "n": 4, "R@20": None}]
    assert markdown_table(rows, "t").splitlines() == [
        "### t", "", "| system | n | R@20 |", "| --- | ---: | ---: |", "| a\\|b | 3 | 0.5000 |", "| c | 4 |  |",
    ]  # fmt: skip
    assert markdown_table([], "t") == "### t\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('no tagged video to score')", "no tagged video to score"),
        ("print('hm')", "its output is not JSON"),
        ("print('[]')", "its output is not a JSON object"),
        ("print('{}')", "its output has no key 'videos'"),
    ],
)
def test_a_failing_scorer_is_reported_as_one_error(
    body: str, message: str, folder: BenchmarkFolder, tmp_path: Path
) -> None:
    with pytest.raises(VideotagError, match=message):
        score(folder, ["seen"], [], fake_scorer(tmp_path, body), Silent())


def test_a_missing_scorer_and_missing_predictions_are_one_error_each(folder: BenchmarkFolder, tmp_path: Path) -> None:
    with pytest.raises(VideotagError, match="no such scorer"):
        score(folder, ["seen"], [], Scorer(tmp_path / "none.py"), Silent())
    for path in folder.predictions("seen").iterdir():
        path.unlink()
    with pytest.raises(ArtifactNotFoundError, match="no predictions"):
        score(folder, ["seen"], [], Scorer(tmp_path / "none.py"), Silent())


def test_a_named_system_without_predictions_is_an_error(folder: BenchmarkFolder) -> None:
    with pytest.raises(ArtifactNotFoundError, match="no predictions of other"):
        score(folder, ["seen"], ["other"], Scorer(SCORER), Silent())
