"""Latency of the stages of recall, with the bundle as it is and grown."""

from pathlib import Path

import pytest

from tagging.bench.grown import Growth
from tagging.config.recall import IndexConfig, NgramConfig, RecallFusionConfig, RecallModelConfig
from tagging.config.root import Config
from tagging.errors import VideotagError
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.tools.benchmarks.text_search import text_search_times
from tagging.tools.benchmarks.times import recall_times
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


def test_a_grown_bundle_reports_the_recall_of_its_indexes(folder: Path) -> None:
    growth = Growth(800, IndexConfig(backend="flat"), 7)
    tables = recall_times(folder / "b", QUERIES, growth, FeatureStore(folder / "f"), Silent())
    assert {row["index"]: row.get("recall of neighbours") for row in tables["indexes"]} == {
        "text": 1.0,
        "multimodal": 1.0,
        "similarity": None,
    }
    assert {row[""]: row["value"] for row in tables["all"]}["labelled videos"] == 800


def test_the_search_by_ngrams_finds_what_the_sum_of_all_postings_finds(folder: Path) -> None:
    tables = text_search_times(folder / "b", [*QUERIES, VideoRef("q", title="⁂")], 800, 7, Silent())
    assert [row["search"] for row in tables["searches"]] == ["sum of all postings", "search"]
    figures = {row[""]: row["value"] for row in tables["all"]}
    assert (figures["labelled videos"], figures["queries"], figures["equal answers"]) == (800, 9, 9)
    with pytest.raises(VideotagError, match="no video has a known n-gram"):
        text_search_times(folder / "b", [VideoRef("q", title="⁂")], 0, 7, Silent())
