"""Latency of the stages of recall, with the bundle as it is and grown."""

from pathlib import Path

import numpy as np
import pytest

from tagging.bundle.files import read_manifest
from tagging.config.recall import IndexConfig, NgramConfig, RecallFusionConfig, RecallModelConfig
from tagging.config.root import Config
from tagging.pipeline.recall_parts import RecallParts
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.tools.benchmarks.times import Growth, grown, recall_times
from tagging.training.run import train
from tagging.types import VideoRef
from tests.support.clocks import NOW
from tests.support.corpora import write_topic_videos

QUERIES = [
    VideoRef(f"q{n}", title=title) for n, title in enumerate(["kitten purr", "engine racing", "guitar solo"] * 3)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_config: Config) -> Path:
    learnt = RecallModelConfig(
        ngrams=NgramConfig(least=1), width=16, epochs=2, least_steps=1, batch=32, negatives=8, likened=32
    )
    recall = tiny_config.recall.model_copy(
        update={"learnt": learnt, "blend": RecallFusionConfig(trees=5, least_in_leaf=5), "neighbours": 20}
    )
    training = tiny_config.training.model_copy(update={"least_videos": 100})
    config = tiny_config.model_copy(update={"recall": recall, "training": training})
    root = tmp_path_factory.mktemp("times")
    train(
        [write_topic_videos(root / "train.jsonl", 400, seed=1)],
        {},
        root / "b",
        config,
        FeatureStore(root / "f"),
        Silent(),
        created=NOW,
    )
    return root


def test_every_stage_is_timed_for_a_single_video(folder: Path) -> None:
    tables = recall_times(folder / "b", QUERIES, None, FeatureStore(folder / "f"), Silent())
    stages = {row["stage"]: row["p50 ms"] for row in tables["one video"]}
    assert {"video tower", "text", "multimodal", "lexical", "classifier", "similarity", "union"} < stages.keys()
    of_rank = {stage for stage in stages if stage.startswith("rank: ")}
    assert len(of_rank) >= 3
    assert stages["recall"] > max(ms for stage, ms in stages.items() if stage != "recall" and stage not in of_rank)
    assert "indexes" not in tables
    assert {row[""]: row["value"] for row in tables["all"]}["labelled videos"] == 400


def test_grown_videos_share_tags_with_their_parents_and_are_close_to_them(folder: Path) -> None:
    parts = RecallParts.load(folder / "b", read_manifest(folder / "b"))
    config = read_manifest(folder / "b").config.recall
    more, report = grown(parts, Growth(1_000, IndexConfig(backend="hnsw"), 7), config, [], Silent())
    assert len(more.labelled.ids) == len(set(more.labelled.ids)) == 1_000
    assert [row["rows"] for row in report] == [1_000, 1_000, len(parts.catalog)]
    titles = dict(zip(parts.labelled.titles, range(400), strict=True))
    for row in (0, 399, 400, 700, 999):
        same = [parent for parent in range(400) if parts.labelled.titles[parent] == more.labelled.titles[row]]
        assert more.labelled.titles[row] in titles
        assert any(np.array_equal(more.labelled.tags.at(row), parts.labelled.tags.at(parent)) for parent in same)
    view = more.views["text"]
    np.testing.assert_array_equal(view.rows, np.arange(1_000))
    rows = view.index.rows()
    parents = {title: rows[row] for row, title in enumerate(parts.labelled.titles)}
    cosines = [float(rows[row] @ parents[more.labelled.titles[row]]) for row in range(400, 1_000)]
    others = [float(rows[row] @ rows[(row * 7) % 400]) for row in range(400, 1_000)]
    assert np.mean(cosines) > np.mean(others) + 0.2
    assert more.recall_model is not None
    assert more.recall_model.texts.shape[0] == 1_000


def test_a_grown_bundle_reports_the_recall_of_its_indexes(folder: Path) -> None:
    growth = Growth(800, IndexConfig(backend="flat"), 7)
    tables = recall_times(folder / "b", QUERIES, growth, FeatureStore(folder / "f"), Silent())
    assert {row["index"]: row.get("recall of neighbours") for row in tables["indexes"]} == {
        "text": 1.0,
        "multimodal": 1.0,
        "similarity": None,
    }
    assert {row[""]: row["value"] for row in tables["all"]}["labelled videos"] == 800
