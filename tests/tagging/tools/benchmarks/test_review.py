"""Simulated review: the measure by its definition and by the scorer, the splits, and the tables."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.progress import Silent
from tagging.tools.benchmarks import review, review_model
from tagging.tools.benchmarks.datasets import Row
from tagging.tools.benchmarks.review import (
    ORDERS,
    Labelled,
    Pool,
    labels_needed,
    mean_and_spread,
    ndcg,
    review_benchmark,
    simulate,
)
from tagging.tools.benchmarks.review_model import fit
from tagging.tools.benchmarks.scorer import Scorer
from tests.support.paths import SHARED
from tests.support.tools import run_tools

SCORER = SHARED / "tools" / "eval_tags.py"
SUBJECTS = ("guitar lesson", "ice hockey", "pasta recipe", "dog training", "city walk")


def talks(count: int) -> list[Row]:
    """Return titles with their words as tags, of subjects of unequal frequency."""
    rng = np.random.default_rng(8)
    rows = []
    for number in range(count):
        subject = SUBJECTS[min(int(rng.exponential(1.2)), len(SUBJECTS) - 1)]
        rows.append(Row(f"v{number}", f"{subject} number {number}", "", tuple(subject.split())))
    return rows


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_model, "DIM", 8)
    monkeypatch.setattr(review, "TESTS", 20)
    monkeypatch.setattr(review, "START", 10)
    monkeypatch.setattr(review, "PER_ROUND", 10)


def random_answers() -> tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.float32]]]:
    rng = np.random.default_rng(3)
    confidences = rng.random((12, 25)).astype(np.float32) * (rng.random((12, 25)) < 0.7)
    labels = (rng.random((12, 25)) < 0.4).astype(np.float32)
    labels[0] = 0.0
    labels[1, 5:] = 0.0
    labels[1, 0] = 1.0
    return confidences.astype(np.float32), labels


def test_ndcg_is_that_of_its_definition() -> None:
    confidences, labels = random_answers()
    found = []
    for video in range(1, len(labels)):  # the first has no tag and is not scored
        ranked = sorted(range(25), key=lambda tag, video=video: (-confidences[video, tag], tag))  # type: ignore[misc]
        answered = [tag for tag in ranked if confidences[video, tag] > 0.0][:10]
        gain = sum(1 / math.log2(rank + 1) for rank, tag in enumerate(answered, 1) if labels[video, tag])
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(10, int(labels[video].sum())) + 1))
        found.append(gain / ideal)
    assert ndcg(confidences, labels) == pytest.approx(np.mean(found))


@pytest.mark.skipif(not SCORER.is_file(), reason="the external scorer is not available")
def test_ndcg_is_that_of_the_scorer(tmp_path: Path) -> None:
    confidences, labels = random_answers()
    names = [f"tag {tag}" for tag in range(25)]
    rows = [
        {"video_id": f"v{video}", "title": "", "tags": [names[tag] for tag in np.flatnonzero(labels[video])]}
        for video in range(len(labels))
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "truth.parquet")
    with (tmp_path / "p.jsonl").open("w") as file:
        for video in range(len(labels)):
            ranked = [tag for tag in np.argsort(-confidences[video], kind="stable") if confidences[video, tag] > 0]
            file.write(json.dumps({"video_id": f"v{video}", "tags": [names[tag] for tag in ranked]}) + "\n")
    truth = tmp_path / "truth.parquet"
    scores = Scorer(SCORER).score(truth, truth, tmp_path / "p.jsonl")
    assert ndcg(confidences, labels) == pytest.approx(scores["nDCG@10"], abs=1e-4)


def test_the_model_learns_tags_from_features() -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random((200, 4)) < 0.3).astype(np.float32)
    labels[:, 3] = 0.0
    features = np.concatenate([10.0 * labels[:, :3], rng.random((200, 3))], axis=1).astype(np.float32)
    found = fit(features, labels).confidences(features)
    assert (found[:, :3].round() == labels[:, :3]).all()
    assert (found[:, 3] == 0.0).all()


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_ends_with_the_same_labels(small: None, name: str) -> None:
    videos = Labelled.of(talks(80), Silent())
    curves = [simulate(videos, ORDERS[name], 3, 1000) for _ in range(2)]
    assert curves[0] == curves[1]
    assert list(curves[0]) == [10, 20, 30, 40, 50, 60]  # all but the tests
    everything = simulate(videos, ORDERS["random"], 3, 1000)
    assert curves[0][10] == everything[10]
    assert curves[0][60] == pytest.approx(everything[60], abs=0.01)


def test_an_order_sees_no_label_of_the_videos_that_wait(small: None) -> None:
    seen: list[Pool] = []

    def spy(pool: Pool, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
        seen.append(pool)
        return rng.random(len(pool.confidences))

    simulate(Labelled.of(talks(60), Silent()), spy, 1, 30)
    assert [len(pool.confidences) for pool in seen] == [30, 20]
    for pool in seen:
        assert (np.diff(pool.confidences, axis=1) <= 0.0).all()
        assert 0.0 < pool.threshold < 1.0


def test_labels_needed_are_interpolated() -> None:
    curve = {50: 0.2, 100: 0.3, 150: 0.28, 200: 0.5}
    assert labels_needed(curve, 0.1) == 50.0
    assert labels_needed(curve, 0.25) == pytest.approx(75.0)
    assert labels_needed(curve, 0.39) == pytest.approx(175.0)
    assert labels_needed(curve, 0.6) is None


def test_a_spread_is_that_of_a_sample() -> None:
    assert mean_and_spread([1.0, 3.0], ".2f") == "2.00 ± 1.41"
    assert mean_and_spread([0.5], "+.1f") == "+0.5 ± 0.0"


def test_tables_compare_orders_with_random_order(small: None) -> None:
    tables = review_benchmark(talks(80), ["doubt x use"], [1, 2], 50, Silent())
    assert [row["order"] for row in tables["nDCG@10 by labelled videos"]] == ["random", "doubt x use"]
    [row] = tables["against random order, by seed"]
    assert (row["order"], row["labels"]) == ("doubt x use", "40")
    assert row["seeds that reached it"].endswith("of 2")


def test_the_command_prints_the_tables(small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"item_id": row.video_id, "title": row.title, "description": "", "tags": list(row.tags)} for row in talks(80)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    arguments = ("benchmarks", "review", "ted", tmp_path / "t.parquet", "--seed", 1, "--labels", 50)
    run_tools(*arguments, "--order", "doubt", "--format", "markdown")
    assert "| doubt | 40 |" in capsys.readouterr().out
    run_tools(*arguments, "--order", "fastest", code=2)
