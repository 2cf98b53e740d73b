"""Ablation of negatives and measurement of false negatives, on synthetic topics."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from rank.evaluate import hard_pair_accuracy
from rank.negatives import at_two_hops
from tagging.config.rank import NegativesConfig
from tagging.config.recall import RecallFusionConfig
from tagging.config.root import Config
from tagging.errors import InvalidConfigError, InvalidManifestError, OutputExistsError
from tagging.evaluation.false_negatives import COLUMNS, FalseNegativeReport, measure_false_negatives
from tagging.evaluation.negatives import NegativesReport, ablate_negatives, settings
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tests.support.corpora import write_numbered_titles, write_topic_videos
from tests.support.matrices import matrix
from tests.support.topics import LEARNT


@pytest.fixture(scope="module")
def config(tiny_config: Config) -> Config:
    return tiny_config.model_copy(update={"training": tiny_config.training.model_copy(update={"holdout": 0.3})})


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topic_videos(tmp_path_factory.mktemp("ablation") / "m.jsonl", 200, seed=1)


@pytest.fixture(scope="module")
def report(manifest: Path, config: Config) -> NegativesReport:
    return ablate_negatives([manifest], {}, config, FeatureStore(manifest.parent / "f"), Silent(), (1, 2))


def test_every_setting_is_trained_for_every_seed_and_tested_on_held_out_uploaders(report: NegativesReport) -> None:
    assert [row["negatives"] for row in report.table] == ["10", "400", "400 + 2-hop", "configured"]
    assert all(row["seeds"] == 2 for row in report.table)
    assert report.videos + report.tested == 200
    assert 20 <= report.tested <= 100
    assert all(0 <= float(row["precision_at_1"]) <= 1 and float(row["mrr_spread"]) >= 0 for row in report.table)
    assert max(float(row["precision_at_1"]) for row in report.table) > 0.5  # six tags


def test_without_tags_at_two_hops_the_table_has_no_accuracy_on_them(tmp_path: Path, config: Config) -> None:
    """JSON has no NaN."""
    manifest = write_numbered_titles(tmp_path / "m.jsonl", 40)
    store = FeatureStore(tmp_path / "f")
    for row in ablate_negatives([manifest], {}, config, store, Silent(), (1,)).table:
        assert "hard_pairs" not in row
        json.dumps(row, allow_nan=False)


def test_the_example_shows_the_first_tags_under_each_setting(report: NegativesReport) -> None:
    assert report.example
    assert [row["negatives"] for row in report.example_tags] == [row["negatives"] for row in report.table]
    assert all(len(str(row["first_tags"]).split(", ")) == 5 for row in report.example_tags)


def test_the_papers_settings_differ_only_in_their_negatives() -> None:
    found = settings(NegativesConfig(by="popularity", drawn=7, two_hop=3))
    assert [(config.drawn, config.by, config.two_hop) for config in found.values()] == [
        (10, "uniform", 0), (400, "uniform", 0), (400, "uniform", 40), (7, "popularity", 3),
    ]  # fmt: skip


def test_without_a_ranker_or_a_holdout_there_is_nothing_to_compare(manifest: Path, tiny_config: Config) -> None:
    store = FeatureStore(manifest.parent / "f")
    with pytest.raises(InvalidConfigError, match="nothing to compare"):
        ablate_negatives([manifest], {}, tiny_config, store, Silent(), (1,))


def test_an_example_that_is_not_held_out_is_an_error(manifest: Path, config: Config) -> None:
    with pytest.raises(InvalidManifestError, match="'nobody'"):
        ablate_negatives([manifest], {}, config, FeatureStore(manifest.parent / "f"), Silent(), (1,), "nobody")


def test_hard_pair_accuracy_counts_pairs_with_the_true_tag_first() -> None:
    scores = np.array([0.9, 0.1, 0.5, 0.4], np.float32)
    rows = [np.array(tag_rows, np.int64) for tag_rows in ([0, 1], [2, 3], [])]
    assert hard_pair_accuracy(scores, rows[0], rows[1]) == pytest.approx(2 / 4)
    assert hard_pair_accuracy(scores, rows[0], rows[2]) is None


def test_two_hops_are_tags_at_distance_exactly_two() -> None:
    neighbours = [[1], [0, 2], [1, 3], [2], []]
    assert at_two_hops(matrix(neighbours, 5), np.array([0])).tolist() == [2]
    assert at_two_hops(matrix(neighbours, 5), np.array([0, 3])).tolist() == []
    assert at_two_hops(matrix(neighbours, 5), np.array([4])).tolist() == []


def write_three_tags(path: Path, count: int, uploaders: int) -> Path:
    """Videos of three tags each, so that one can be hidden."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(("video_id", "title", "tags", "uploader_id"))
        for row in range(count):
            topic = row % 4
            tags = [f"topic {topic} {part}" for part in ("red", "green", "blue")]
            title = f"topic {topic} again {row}"
            out.writerow((f"v{row}", title, str(tags).replace("'", '"'), f"u{row % uploaders}"))
    return path


@pytest.fixture(scope="module")
def three_tags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_three_tags(tmp_path_factory.mktemp("audit") / "m.csv", 120, uploaders=12)


@pytest.fixture(scope="module")
def audited(three_tags: Path, tiny_config: Config) -> FalseNegativeReport:
    out = three_tags.parent / "pairs.csv"
    return measure_false_negatives([three_tags], {}, tiny_config, FeatureStore(three_tags.parent / "f"), Silent(), out)


def test_hidden_labels_are_counted_among_the_drawn_negatives(audited: FalseNegativeReport) -> None:
    assert 40 <= audited.hidden <= 110  # a fifth of 360
    drawn = audited.table[0]
    assert drawn["source"] == "drawn"
    # Ten of twelve tags are drawn for each video, and a hidden label is as likely as any: 72 of 120 · 12 pairs or so.
    assert 0.01 < float(drawn["share"]) < 0.15


def test_a_sample_of_pairs_is_written_for_review(audited: FalseNegativeReport) -> None:
    with Path(audited.sample).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert 50 <= len(rows) <= 200
    assert all(row["is_right"] == "" and row["tag"].startswith("topic") for row in rows)
    same_topic = [row for row in rows if row["hidden_label"] == "True"]
    assert same_topic
    assert all(row["tag"].split()[1] == row["title"].split()[1] for row in same_topic)


def test_a_sample_never_overwrites_a_file(audited: FalseNegativeReport, three_tags: Path, tiny_config: Config) -> None:
    with pytest.raises(OutputExistsError):
        measure_false_negatives(
            [three_tags], {}, tiny_config, FeatureStore(three_tags.parent / "f"), Silent(), Path(audited.sample)
        )


@pytest.mark.slow
def test_recalled_negatives_are_compared_and_audited_with_enough_videos(tmp_path: Path, config: Config) -> None:
    ranker = config.rank.ranker
    assert ranker is not None
    negatives = ranker.negatives.model_copy(update={"drawn": 2, "two_hop": 1, "recalled": 5})
    ranked = config.model_copy(
        update={
            "recall": config.recall.model_copy(
                update={
                    "learnt": LEARNT.model_copy(update={"epochs": 2}),
                    "blend": RecallFusionConfig(trees=5, least_in_leaf=5),
                }
            ),
            "rank": config.rank.model_copy(
                update={"ranker": ranker.model_copy(update={"negatives": negatives, "least_steps": 5, "epochs": 0.1})}
            ),
            "training": config.training.model_copy(update={"least_videos": 100}),
        }
    )
    manifest, store = write_three_tags(tmp_path / "m.csv", 400, uploaders=101), FeatureStore(tmp_path / "f")
    audited = measure_false_negatives([manifest], {}, ranked, store, Silent(), tmp_path / "pairs.csv")
    assert "recalled" in {row["source"] for row in audited.table}
    assert audited.videos < 400  # recall training holds some out
    report = ablate_negatives([manifest], {}, ranked, store, Silent(), (1,))
    assert report.videos + report.tested < 400
