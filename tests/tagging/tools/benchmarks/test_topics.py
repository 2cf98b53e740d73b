"""The benchmark of topics: the division, what systems may see, and the tables."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from tagging.errors import InvalidManifestError
from tagging.progress import Silent
from tagging.tools.benchmarks.topic_predictions import neighbour_tags
from tagging.tools.benchmarks.topic_systems import Fold, systems_of
from tagging.tools.benchmarks.topic_tables import read_categorised_table
from tagging.tools.benchmarks.topics import distance_ratio, distance_ratios, divide, measure
from tagging.topics.pool import Pool
from tests.support.benchmark_data import write_parquet
from tests.support.topic_pools import TINY, pool_of


def with_content(count: int) -> Pool:
    """Return a pool in which every video has text, as in the tables, and an uploader of its own."""
    pool = pool_of(count * 5 // 4 + 5, seed=4)
    kept = np.array([row for row, embeddings in enumerate(pool.embeddings) if embeddings.rows][:count])
    pool = pool.only(kept)
    return Pool(
        [replace(video, video=replace(video.video, uploader_id=None)) for video in pool.videos], pool.embeddings
    )


@pytest.fixture(scope="module")
def fold() -> Fold:
    return divide(with_content(400), seed=1)


def test_a_tenth_is_held_out_and_an_uploader_is_on_one_side(fold: Fold) -> None:
    assert 20 <= len(fold.held_out) <= 60
    assert len(fold.training) + len(fold.held_out) == 400
    pool = pool_of(400, seed=4)
    many = Pool(
        [replace(v, video=replace(v.video, uploader_id=f"u{n % 100}")) for n, v in enumerate(pool.videos)],
        pool.embeddings,
    )
    parts = divide(many, seed=2)
    owners = [{video.video.uploader_id for video in part.videos} for part in (parts.training, parts.held_out)]
    assert not owners[0] & owners[1]


def test_too_few_videos_are_one_clear_error() -> None:
    with pytest.raises(InvalidManifestError, match="are held out, expected 20"):
        divide(with_content(50), seed=1)


def test_no_system_sees_the_categories_of_held_out_videos(fold: Fold) -> None:
    shuffled = [replace(video, category=f"x{row % 3}") for row, video in enumerate(fold.held_out.videos)]
    blind = Fold(fold.training, Pool(shuffled, fold.held_out.embeddings))
    blind_systems = systems_of(blind, TINY, Silent())
    for name, system in systems_of(fold, TINY, Silent()).items():
        np.testing.assert_array_equal(system.cluster(4, 1), blind_systems[name].cluster(4, 1), err_msg=name)


def test_content_and_tags_together_separate_the_subjects(fold: Fold) -> None:
    scores = measure(fold, systems_of(fold, TINY, Silent()), 1)
    assert list(scores) == [
        "text", "tags", "lda", "text, PCA + k-means", "mmoe", "mmoe with tags as input", "mmoe + tags",
        "mmoe + tags, predicted by confidence", "mmoe + tags, predicted by plain mean",
    ]  # fmt: skip
    assert scores["mmoe + tags"]["category NMI"] > 0.9
    assert scores["mmoe + tags"]["category ARI"] == max(
        row["category ARI"] for name, row in scores.items() if "predicted" not in name
    )
    assert "subcategory ARI" not in scores["mmoe"]  # the pool has none


def test_the_distance_ratio_is_that_of_all_pairs() -> None:
    generator = np.random.default_rng(3)
    rows = (np.eye(5)[np.arange(40) % 5] + 0.3 * generator.standard_normal((40, 5))).astype(np.float32)
    clusters = np.arange(40) % 4
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [(1 - unit[a] @ unit[b], clusters[a] == clusters[b]) for a, b in combinations(range(40), 2)]
    inter, intra = (np.mean([distance for distance, same in pairs if same == found]) for found in (False, True))
    assert distance_ratio(rows, clusters) == pytest.approx(inter / intra, rel=1e-5)


def test_clusters_that_follow_the_subjects_have_larger_ratios_than_the_text_alone(fold: Fold) -> None:
    ratios = distance_ratios(systems_of(fold, TINY, Silent()), 4)
    assert list(ratios) == [
        "text", "tags", "mmoe", "mmoe with tags as input", "mmoe + tags",
        "mmoe + tags, predicted by confidence", "mmoe + tags, predicted by plain mean",
    ]  # fmt: skip
    assert all(len(found) == 10 for found in ratios.values())
    assert min(ratios["mmoe + tags"]) > max(ratios["text"]) > 1


def test_tables_are_read_with_their_categories(tmp_path: Path) -> None:
    columns = ("video_id", "caption", "cover_text", "tags", "category_1", "category_2")
    rows = [
        (1, "#cat my cat", None, ["cat"], "pets", None),
        (2, "#cat", "", ["cat"], "pets", "cats"),
        (3, "x", "y", [], None, None),
    ]
    path = write_parquet(tmp_path / "k.parquet", [dict(zip(columns, row, strict=True)) for row in rows])
    table = read_categorised_table("kuairec", path)
    [video] = table.videos
    assert (video.video.title, video.tags, video.category, video.subcategory) == ("my cat", ("cat",), "pets", "")
    assert table.counts == {
        "rows_read": 3, "left_out_without_category": 1, "left_out_without_text": 1, "without_tags": 0
    }  # fmt: skip


def test_videos_without_tags_have_those_of_their_nearest_tagged_training_videos(fold: Fold) -> None:
    found = neighbour_tags(fold.training, fold.held_out, Silent())
    untagged = [v for pool in (fold.training, fold.held_out) for v in pool.videos if not v.tags]
    assert set(found) == {video.video.video_id for video in untagged}
    right = [video.category in found[video.video.video_id] for video in untagged]
    assert np.mean(right) > 0.9
    assert all(0.1 <= share <= 1 for tags in found.values() for share in tags.values())
    renamed = Pool([replace(v, tags=tuple(f"{tag}s" for tag in v.tags)) for v in fold.held_out.videos],
                   fold.held_out.embeddings)  # fmt: skip
    assert neighbour_tags(fold.training, renamed, Silent()) == found  # tags of held-out videos do not vote
