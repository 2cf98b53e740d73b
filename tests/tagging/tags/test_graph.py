from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.ragged import Ragged
from tagging.tags import graph as module
from tagging.tags.graph import TagGraph, build_graph


def lists(*videos: list[int]) -> Ragged:
    return Ragged.of(videos)


def random_lists(rng: np.random.Generator, videos: int, tags: int) -> Ragged:
    return lists(*(rng.choice(tags, rng.integers(0, 6), replace=False).tolist() for _ in range(videos)))


def double_loop(
    tags: Ragged, uploaders: list[int]
) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], set[int]]]:
    """Return the videos and the uploaders of each pair of tags, by a double loop over the definition."""
    videos: dict[tuple[int, int], int] = {}
    owners: dict[tuple[int, int], set[int]] = {}
    for video in range(len(tags)):
        for pair in combinations(sorted(set(tags.at(video).tolist())), 2):
            videos[pair] = videos.get(pair, 0) + 1
            owners.setdefault(pair, set()).add(uploaders[video])
    return videos, owners


def edges(graph: TagGraph) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the videos and uploaders of each edge, by its two ends in both orders."""
    found = {}
    for row in range(len(graph)):
        neighbours = graph.neighbours(row)
        for other, videos, uploaders in zip(neighbours.rows, neighbours.videos, neighbours.uploaders, strict=True):
            found[row, int(other)] = (int(videos), int(uploaders))
    return found


def test_an_edge_has_the_number_of_videos_with_both_tags_and_of_their_uploaders() -> None:
    tags = lists([2, 0, 1], [0, 1], [1, 2], [3], [])
    graph = build_graph(tags, 5, np.array([7, 7, 8, 9, 9]))
    assert len(graph) == 5
    assert graph.edges == 3
    one_way = {(0, 1): (2, 1), (0, 2): (1, 1), (1, 2): (2, 2)}
    assert edges(graph) == one_way | {(b, a): weights for (a, b), weights in one_way.items()}
    assert graph.degrees.tolist() == [2, 2, 2, 0, 0]
    assert graph.neighbours(3).rows.tolist() == []


def test_without_uploaders_every_video_counts_as_another_uploaders() -> None:
    assert edges(build_graph(lists([0, 1], [0, 1]), 2)) == {(0, 1): (2, 2), (1, 0): (2, 2)}


def test_a_tag_that_a_video_repeats_counts_once() -> None:
    assert edges(build_graph(lists([0, 1, 0, 1, 1]), 2)) == {(0, 1): (1, 1), (1, 0): (1, 1)}


@pytest.mark.parametrize("pairs_at_once", [1, 40, 4_000_000])
def test_random_videos_give_the_counts_of_a_double_loop_with_any_number_of_chunks(
    monkeypatch: pytest.MonkeyPatch, pairs_at_once: int
) -> None:
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", pairs_at_once)
    rng = np.random.default_rng(0)
    tags = random_lists(rng, 80, 15)
    uploaders = rng.integers(0, 12, 80).tolist()
    graph = build_graph(tags, 15, np.array(uploaders))
    videos, owners = double_loop(tags, uploaders)
    assert edges(graph) == {
        ends: (videos[pair], len(owners[pair])) for pair in videos for ends in (pair, (pair[1], pair[0]))
    }
    assert (graph.videos != graph.videos.T).nnz == 0
    assert graph.videos.diagonal().tolist() == [0] * 15


@pytest.mark.parametrize("tags", [lists(), lists([]), lists([0], [2], [0])])
def test_videos_without_two_tags_add_no_edge(tags: Ragged, tmp_path: Path) -> None:
    graph = build_graph(tags, 3)
    assert graph.edges == 0
    graph.save(tmp_path / "g.parquet")
    assert len(TagGraph.load(tmp_path / "g.parquet")) == 3


def test_a_graph_without_tags_is_valid() -> None:
    graph = build_graph(lists(), 0)
    assert (len(graph), graph.edges) == (0, 0)


def test_edges_of_too_few_videos_or_uploaders_can_be_removed() -> None:
    graph = build_graph(lists([0, 1], [0, 1], [0, 1], [1, 2], [1, 2], [2, 3]), 4, np.array([0, 0, 0, 1, 2, 3]))
    assert edges(graph.filter_edges()) == edges(graph)
    assert set(edges(graph.filter_edges(min_videos=2))) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert edges(graph.filter_edges(min_uploaders=2)) == {(1, 2): (2, 2), (2, 1): (2, 2)}
    assert graph.filter_edges(min_videos=9).degrees.tolist() == [0, 0, 0, 0]


def test_a_graph_is_equal_after_saving_and_loading(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    graph = build_graph(random_lists(rng, 60, 20), 22, rng.integers(0, 5, 60))
    graph.save(tmp_path / "g.parquet")
    loaded = TagGraph.load(tmp_path / "g.parquet")
    assert len(loaded) == 22
    assert edges(loaded) == edges(graph)


@pytest.mark.parametrize(("row", "other"), [(1, 1), (2, 1), (0, 3), (-1, 1)])
def test_a_table_with_impossible_edges_is_rejected(tmp_path: Path, row: int, other: int) -> None:
    columns = {"row": [row], "other": [other], "videos": [1], "uploaders": [1]}
    table = pa.table({name: pa.array(values, pa.int32()) for name, values in columns.items()})
    pq.write_table(table.replace_schema_metadata({"tags": "3"}), tmp_path / "g.parquet")
    with pytest.raises(ValueError, match="do not join two of its 3 tags"):
        TagGraph.load(tmp_path / "g.parquet")


def test_a_table_with_other_columns_is_rejected(tmp_path: Path) -> None:
    pq.write_table(pa.table({"row": [1]}), tmp_path / "g.parquet")
    with pytest.raises(LookupError):
        TagGraph.load(tmp_path / "g.parquet")


def test_the_number_of_uploaders_must_be_that_of_the_videos() -> None:
    with pytest.raises(ValueError, match="2 videos, uploaders"):
        build_graph(lists([0], [1]), 2, np.array([1, 2, 3]))
