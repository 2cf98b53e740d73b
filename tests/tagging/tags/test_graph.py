from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.ragged import TagLists
from tagging.tags import graph as module
from tagging.tags.graph import TagGraph, build_graph


def lists(*videos: list[int]) -> TagLists:
    return TagLists.of(videos)


def random_lists(rng: np.random.Generator, videos: int, tags: int) -> TagLists:
    return lists(*(rng.choice(tags, rng.integers(0, 6), replace=False).tolist() for _ in range(videos)))


def plain(tags: TagLists, uploaders: list[int]) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], set[int]]]:
    """The double loop over the definition: videos of each pair, and who uploaded them."""
    videos: dict[tuple[int, int], int] = {}
    who: dict[tuple[int, int], set[int]] = {}
    for video in range(len(tags)):
        for pair in combinations(sorted(set(tags.at(video).tolist())), 2):
            videos[pair] = videos.get(pair, 0) + 1
            who.setdefault(pair, set()).add(uploaders[video])
    return videos, who


def edges(graph: TagGraph) -> dict[tuple[int, int], tuple[int, int]]:
    """Both ends of each edge -> its videos and uploaders."""
    found = {}
    for row in range(len(graph)):
        near = graph.neighbours(row)
        for other, videos, uploaders in zip(near.rows, near.videos, near.uploaders, strict=True):
            found[row, int(other)] = (int(videos), int(uploaders))
    return found


def distances(graph: TagGraph, starts: list[int]) -> dict[int, int]:
    """Breadth first, tag by tag."""
    reached = dict.fromkeys(starts, 0)
    queue = list(starts)
    for tag in queue:
        for other in graph.neighbours(tag).rows.tolist():
            if other not in reached:
                reached[other] = reached[tag] + 1
                queue.append(other)
    return reached


def path(length: int) -> TagGraph:
    """0 - 1 - 2 - …"""
    return build_graph(lists(*([n, n + 1] for n in range(length - 1))), length)


def test_an_edge_weighs_as_many_as_the_videos_with_both_tags_and_knows_their_uploaders() -> None:
    tags = lists([2, 0, 1], [0, 1], [1, 2], [3], [])
    graph = build_graph(tags, 5, np.array([7, 7, 8, 9, 9]))
    assert len(graph) == 5
    assert graph.edges == 3
    one_way = {(0, 1): (2, 1), (0, 2): (1, 1), (1, 2): (2, 2)}
    assert edges(graph) == one_way | {(b, a): weights for (a, b), weights in one_way.items()}
    assert graph.degrees.tolist() == [2, 2, 2, 0, 0]
    assert graph.neighbours(3).rows.tolist() == []


def test_without_uploaders_each_video_is_anothers() -> None:
    assert edges(build_graph(lists([0, 1], [0, 1]), 2)) == {(0, 1): (2, 2), (1, 0): (2, 2)}


def test_a_tag_that_a_list_repeats_counts_once() -> None:
    assert edges(build_graph(lists([0, 1, 0, 1, 1]), 2)) == {(0, 1): (1, 1), (1, 0): (1, 1)}


@pytest.mark.parametrize("pairs_at_once", [1, 40, 4_000_000])
def test_any_lists_give_the_counts_of_a_double_loop_in_however_many_parts(
    monkeypatch: pytest.MonkeyPatch, pairs_at_once: int
) -> None:
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", pairs_at_once)
    rng = np.random.default_rng(0)
    tags = random_lists(rng, 80, 15)
    uploaders = rng.integers(0, 12, 80).tolist()
    graph = build_graph(tags, 15, np.array(uploaders))
    videos, who = plain(tags, uploaders)
    assert edges(graph) == {
        ends: (videos[pair], len(who[pair])) for pair in videos for ends in (pair, (pair[1], pair[0]))
    }
    assert (graph.videos != graph.videos.T).nnz == 0
    assert graph.videos.diagonal().tolist() == [0] * 15


@pytest.mark.parametrize("tags", [lists(), lists([]), lists([0], [2], [0])])
def test_videos_without_two_tags_join_nothing(tags: TagLists, tmp_path: Path) -> None:
    graph = build_graph(tags, 3)
    assert graph.edges == 0
    assert graph.at_two_hops(np.array([0, 2])).tolist() == []
    graph.save(tmp_path / "g.parquet")
    assert len(TagGraph.load(tmp_path / "g.parquet")) == 3


def test_a_graph_of_no_tags_is_one() -> None:
    graph = build_graph(lists(), 0)
    assert (len(graph), graph.edges) == (0, 0)
    assert graph.at_two_hops(np.zeros(0, np.int64)).tolist() == []


def test_two_hops_are_counted_from_the_nearest_of_the_given_tags() -> None:
    graph = path(6)
    assert graph.at_two_hops(np.array([0])).tolist() == [2]
    assert graph.at_two_hops(np.array([2])).tolist() == [0, 4]
    assert graph.at_two_hops(np.array([0, 1])).tolist() == [3]
    assert graph.at_two_hops(np.array([0, 3])).tolist() == [5]
    assert graph.at_two_hops(np.zeros(0, np.int64)).tolist() == []


@pytest.mark.parametrize("seed", range(8))
def test_tags_at_two_hops_are_those_that_a_search_finds_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = build_graph(random_lists(rng, 25, 40), 40)
    for count in (1, 3):
        starts = rng.choice(40, count, replace=False)
        far = distances(graph, starts.tolist())
        assert graph.at_two_hops(starts).tolist() == sorted(tag for tag, hops in far.items() if hops == 2)


def test_edges_that_too_few_speak_for_can_be_left_out() -> None:
    graph = build_graph(lists([0, 1], [0, 1], [0, 1], [1, 2], [1, 2], [2, 3]), 4, np.array([0, 0, 0, 1, 2, 3]))
    assert edges(graph.filter_edges()) == edges(graph)
    assert set(edges(graph.filter_edges(min_videos=2))) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert edges(graph.filter_edges(min_uploaders=2)) == {(1, 2): (2, 2), (2, 1): (2, 2)}
    assert graph.filter_edges(min_videos=9).degrees.tolist() == [0, 0, 0, 0]


def test_a_graph_survives_the_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    graph = build_graph(random_lists(rng, 60, 20), 22, rng.integers(0, 5, 60))
    graph.save(tmp_path / "g.parquet")
    loaded = TagGraph.load(tmp_path / "g.parquet")
    assert len(loaded) == 22
    assert edges(loaded) == edges(graph)


@pytest.mark.parametrize(("row", "other"), [(1, 1), (2, 1), (0, 3), (-1, 1)])
def test_a_table_with_edges_that_cannot_be_is_refused(tmp_path: Path, row: int, other: int) -> None:
    columns = {"row": [row], "other": [other], "videos": [1], "uploaders": [1]}
    table = pa.table({name: pa.array(values, pa.int32()) for name, values in columns.items()})
    pq.write_table(table.replace_schema_metadata({"tags": "3"}), tmp_path / "g.parquet")
    with pytest.raises(ValueError, match="do not join two of its 3 tags"):
        TagGraph.load(tmp_path / "g.parquet")


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"row": [1]}), tmp_path / "g.parquet")
    with pytest.raises(LookupError):
        TagGraph.load(tmp_path / "g.parquet")


def test_uploaders_must_be_those_of_the_videos() -> None:
    with pytest.raises(ValueError, match="2 videos, uploaders"):
        build_graph(lists([0], [1]), 2, np.array([1, 2, 3]))
