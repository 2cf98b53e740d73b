"""Evaluation of a bundle with a recall model: every channel, every system, calibration and precision guarantees."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tagging.evaluation.run import EvaluationReport, evaluate
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tests.support.corpora import write_topic_videos

CHANNELS = ["text", "multimodal", "lexical", "words", "classifier", "regression", "similarity"]


def test_every_channel_and_the_union_are_measured_and_written(precise_bundle: Path, tmp_path: Path) -> None:
    test = write_topic_videos(tmp_path / "test.jsonl", 60, seed=9, first=1000)
    (tmp_path / "p").mkdir()
    report = evaluate(precise_bundle, [test], {}, FeatureStore(tmp_path / "f"), Silent(), predictions=tmp_path / "p")
    rows: Mapping[str, Mapping[str, object]] = {str(row["channel"]): row for row in report.recall}
    assert list(rows) == [*CHANNELS, "union", "uploader", "union with uploader"]
    found = float(str(rows["union"]["recall_at_5"]))
    assert found > 0.9
    assert all(found >= float(str(rows[name]["recall_at_5"])) - 0.05 for name in CHANNELS)
    assert float(report.ranking[0]["precision_at_1"]) > 0.9
    for name in [*CHANNELS, "union", "union-with-uploader"]:
        lines = [json.loads(line) for line in (tmp_path / "p" / f"{name}.jsonl").read_text().splitlines()]
        assert len(lines) <= 60
        assert all(0 <= tag["confidence"] <= 1 for line in lines for tag in line["tags"])


@pytest.fixture(scope="module")
def report(precise_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluationReport:
    folder = tmp_path_factory.mktemp("evaluated")
    test = write_topic_videos(folder / "test.jsonl", 60, seed=9, first=1000)
    return evaluate(precise_bundle, [test], {}, FeatureStore(folder / "f"), Silent(), figure=folder / "figure.png")


def test_all_systems_are_compared_at_the_same_number_of_tags(report: EvaluationReport) -> None:
    names = ["recall + rank", "recall", "rank alone", "classifier"]
    assert [row["system"] for row in report.ranking] == names
    assert [row["system"] for row in report.systems] == [
        "recall + rank, as answered", *(f"{name}, 3 tags a video" for name in names),
    ]  # fmt: skip
    assert {row["tags_per_video"] for row in report.systems[1:]} == {3.0}
    assert {row["videos"] for row in [*report.ranking, *report.systems]} == {60}
    assert float(report.ranking[0]["precision_at_1"]) >= float(report.ranking[2]["precision_at_1"])


def test_calibration_and_target_precisions_are_reported(report: EvaluationReport) -> None:
    [calibration] = report.calibration
    assert calibration["system"] == "recall + rank"
    assert 0 < float(calibration["right"]) < 1
    assert float(calibration["calibration_error"]) < 0.2
    assert [row["promised_precision"] for row in report.promises] == [0.7, 0.8, 0.9]
    kept = [row for row in report.promises if row["precision"] != ""]
    assert kept
    for row in kept:  # made-up titles make the topics obvious
        assert float(row["precision"]) >= float(row["promised_precision"])
        assert 0 < float(row["share_answered"]) <= 1
