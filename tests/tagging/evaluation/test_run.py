import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rank.evaluate import ranking_row, system_row
from recall.evaluate import Proposal, lost_without, recall_row
from tagging.config.root import Config
from tagging.errors import InvalidManifestError
from tagging.evaluation.run import EvaluationReport, evaluate
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.training.run import train
from tests.support.clocks import NOW


def rows(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(values, np.int64)


def test_recall_counts_tags_outside_the_catalog_and_videos_that_could_not_be_read() -> None:
    table = recall_row(
        "text",
        [
            Proposal(rows(4, 1, 7), rows(1, 4, -1, 9), 200),  # 2 of 4, 2 of 3 in the vocabulary
            Proposal(None, rows(2), 200),
            Proposal(rows(*range(100, 106), 3), rows(3), 200),  # only beyond the fifth
            Proposal(rows(5), rows(-1, 250), 200),  # nothing in the vocabulary
        ],
    )
    assert table["videos"] == 4
    assert table["videos_looked_at"] == 3
    assert table["recall_at_5"] == pytest.approx((0.5 + 0 + 0 + 0) / 4)
    assert table["recall_at_50"] == pytest.approx((0.5 + 0 + 1 + 0) / 4)
    assert table["recall_at_50_in_vocabulary"] == pytest.approx((2 / 3 + 0 + 1) / 3, abs=1e-4)


def test_ranking_metrics_agree_with_hand_computed_figures() -> None:
    table = ranking_row("r", [rows(1, 2, 3), rows(), rows(8)], [rows(3, 1, -1, -1), rows(5), rows(8)])
    assert table["precision_at_1"] == pytest.approx(2 / 3, abs=1e-4)
    assert table["precision_at_5"] == pytest.approx((2 / 5 + 0 + 1 / 5) / 3)
    assert table["recall_at_20"] == pytest.approx((2 / 4 + 0 + 1) / 3)
    ideal = sum(1 / np.log2(n + 2) for n in range(4))
    assert table["ndcg_at_10"] == pytest.approx(((1 + 1 / np.log2(4)) / ideal + 0 + 1) / 3, abs=1e-4)


def test_tag_accuracy_is_over_the_returned_tags() -> None:
    table = system_row("s", [rows(1, 2, 3), rows(), rows(8)], [rows(3), rows(5), rows(8)], seconds=0.3)
    assert table["tag_accuracy"] == 0.5
    assert table["tags_per_video"] == pytest.approx(4 / 3, abs=1e-4)
    assert table["videos_without_answer"] == 1
    assert table["ms_per_video"] == 100


@pytest.fixture(scope="module")
def report(tiny_bundle: Path, unseen_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluationReport:
    store = FeatureStore(tmp_path_factory.mktemp("features"))
    return evaluate(tiny_bundle, [unseen_corpus], {}, store, Silent())


def test_the_report_has_a_row_for_every_channel_and_the_union(report: EvaluationReport) -> None:
    assert [row["channel"] for row in report.recall] == ["text", "video", "audio", "union"]
    assert report.videos == 8
    union = report.recall[-1]["recall_at_200"]
    assert all(union >= row["recall_at_200"] for row in report.recall)  # type: ignore[operator]
    assert report.systems[0]["videos_without_answer"] == 0


def test_videos_that_the_bundle_was_trained_on_are_refused(tiny_bundle: Path, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidManifestError, match="the bundle was trained on 60 of the 60 videos"):
        evaluate(tiny_bundle, [corpus], {}, FeatureStore(tmp_path), Silent())


def test_held_out_needs_a_holdout(tiny_bundle: Path, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidManifestError, match="without a holdout"):
        evaluate(tiny_bundle, [corpus], {}, FeatureStore(tmp_path), Silent(), held_out=True)


def test_held_out_and_split_choose_the_videos(tmp_path: Path, tiny_config: Config) -> None:
    lines = [
        {
            "video_id": f"v{n}",
            "title": f"t {n}",
            "tags": ["x"],
            "uploader_id": f"u{n % 30}",
            "split": "a" if n % 2 else "",
        }
        for n in range(120)
    ]
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = tiny_config.model_copy(update={"training": tiny_config.training.model_copy(update={"holdout": 0.4})})
    store = FeatureStore(tmp_path / "f")
    trained = train([manifest], {}, tmp_path / "b", config, store, Silent(), created=NOW)
    assert trained.counts["videos_of_other_splits"] == 60
    held = evaluate(tmp_path / "b", [manifest], {}, store, Silent(), held_out=True, split="")
    assert held.videos == trained.counts["videos_held_out"] > 0
    assert evaluate(tmp_path / "b", [manifest], {}, store, Silent(), split="a").videos == 60


def test_training_videos_among_the_held_out_uploaders_are_refused(tmp_path: Path, tiny_config: Config) -> None:
    """The column of the uploaders was renamed in the training alone."""
    manifest = tmp_path / "m.jsonl"
    lines = [
        {"video_id": f"v{n}", "title": f"t {n}", "tags": ["x"], "uploader_id": f"a{n}", "channel": f"u{n % 10}"}
        for n in range(60)
    ]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = tiny_config.model_copy(update={"training": tiny_config.training.model_copy(update={"holdout": 0.3})})
    store, columns = FeatureStore(tmp_path / "f"), {"uploader_id": "channel"}
    train([manifest], columns, tmp_path / "b", config, store, Silent(), created=NOW)
    with pytest.raises(InvalidManifestError, match="the bundle was trained on") as caught:
        evaluate(tmp_path / "b", [manifest], {}, store, Silent(), held_out=True)
    assert "--map of the training" in caught.value.hint


def test_the_recall_lost_without_each_channel_is_reported() -> None:
    true = rows(1, 2, 3, 4)
    by_channel = {"a": [Proposal(rows(1, 2), true, 9)], "b": [Proposal(rows(2, 3), true, 9)]}
    both = [Proposal(rows(1, 2, 3), true, 9)]
    assert lost_without(by_channel, both) == {"a": 0.25, "b": 0.25}  # both find 2, neither finds 4
    assert lost_without(by_channel, [Proposal(rows(1, 2), true, 9)]) == {"a": 0.25, "b": 0.0}  # 3 is beyond the budget


@pytest.mark.slow
def test_figures_agree_with_the_shared_scorer(shared_data: Path, tmp_path: Path, tiny_config: Config) -> None:
    """The scorer of all benchmarks of this project uses the same definitions of recall and precision."""
    talks = pd.read_parquet(shared_data / "metadata/ted_talks.parquet").rename(columns={"item_id": "video_id"})
    talks["video_id"] = talks.video_id.astype(str)
    talks["tags"] = [list(tags) for tags in talks.tags]
    parts = {"train": talks.iloc[:500], "test": talks.iloc[1500:1800]}
    for name, part in parts.items():
        part[["video_id", "title", "description", "tags"]].to_parquet(tmp_path / f"{name}.parquet")
    store = FeatureStore(tmp_path / "f")
    train([tmp_path / "train.parquet"], {}, tmp_path / "b", tiny_config, store, Silent(), created=NOW)
    (tmp_path / "p").mkdir()
    ours = evaluate(tmp_path / "b", [tmp_path / "test.parquet"], {}, store, Silent(), predictions=tmp_path / "p")

    scorer = shared_data.parent / "tools/eval_tags.py"
    command = [sys.executable, str(scorer), "--truth", str(tmp_path / "test.parquet"), "--bootstrap", "10"]
    theirs = json.loads(
        subprocess.check_output([*command, "--predictions", str(tmp_path / "p/union.jsonl")], text=True)
    )
    union, ranking = ours.recall[-1], ours.ranking[0]
    assert ours.videos == theirs["videos"]
    assert theirs["R@200"] > 0.1
    for mine, shared in [
        (union["recall_at_50"], "R@50"),
        (union["recall_at_200"], "R@200"),
        (ranking["recall_at_20"], "R@20"),
        (ranking["precision_at_1"], "P@1"),
        (ranking["precision_at_5"], "P@5"),
        (ranking["precision_at_10"], "P@10"),
        (ranking["ndcg_at_10"], "nDCG@10"),
    ]:
        assert mine == pytest.approx(theirs[shared], abs=1.01e-4), shared
