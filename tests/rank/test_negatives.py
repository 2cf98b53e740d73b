"""Negative sampling and its exclusion mask against plain sets and loops."""

from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from rank.negatives import (
    SOURCES,
    NegativeSample,
    NegativeSampler,
    at_two_hops,
    exclusion_mask,
    hierarchy_mask,
    top_edges,
)
from tagging.config.rank import NegativesConfig
from tagging.ragged import Ragged
from tests.support.matrices import matrix

DRAWN, TWO_HOPS, RECALLED = range(len(SOURCES))


def lists(rows: Sequence[Sequence[int]]) -> Ragged:
    return Ragged.of(rows)


def random_graph(tags: int, generator: np.random.Generator) -> sparse.csr_array:
    """Few edges of random weights; the last five tags have none."""
    weights = np.triu(generator.random((tags, tags)) * (generator.random((tags, tags)) < 0.06), 1)
    weights[:, -5:] = 0
    return sparse.csr_array(weights + weights.T)


def breadth_first(edges: sparse.csr_array, tags: Sequence[int]) -> set[int]:
    """The tags at distance exactly two from the nearest of the given ones."""
    seen, reached = set(tags), set(tags)
    for _ in range(2):
        reached = {int(other) for tag in reached for other in edges[[tag]].indices} - seen
        seen |= reached
    return reached


class World:
    """40 videos over 60 tags, described by plain lists."""

    def __init__(self, **config: object) -> None:
        generator = np.random.default_rng(0)
        self.tags = 60
        self.own = [sorted(generator.choice(60, generator.integers(0, 7), replace=False).tolist()) for _ in range(40)]
        self.own[3], self.own[4] = [], [58, 59]  # no tag; none with an edge
        self.parents = [[row // 2] if row % 4 == 1 else [] for row in range(60)]
        self.twins = [[(row + 1) % 40] if row % 5 == 0 else [] for row in range(40)]
        self.recalled = [generator.choice(60, 20, replace=False).tolist() for _ in range(40)]
        self.edges = random_graph(60, generator)
        known = matrix(self.own, 60)
        self.negatives = NegativeSampler(
            known,
            exclusion_mask(known, hierarchy_mask(self.parents), matrix(self.twins, 40)),
            self.edges,
            lists(self.recalled),
            NegativesConfig.model_validate({"drawn": 15, "two_hop": 6, "recalled": 5, "positives": 3} | config),
        )

    def never(self, video: int) -> set[int]:
        """Return its tags, the tags of its near-duplicates, and the parents and children of them all."""
        tags = {tag for relative in (video, *self.twins[video]) for tag in self.own[relative]}
        above = {parent for tag in tags for parent in self.parents[tag]}
        return tags | above | {tag for tag in range(self.tags) if set(self.parents[tag]) & tags}

    def two_hops(self, video: int) -> set[int]:
        return breadth_first(self.edges, self.own[video])

    def sample(self, videos: Sequence[int], seed: int) -> NegativeSample:
        return self.negatives.sample(np.array(videos), np.random.default_rng(seed))


def negatives_of(sample: NegativeSample, row: int, source: int | None = None) -> set[int]:
    chosen = sample.source[row] >= 0 if source is None else sample.source[row] == source
    return set(sample.tags[chosen].tolist())


@pytest.mark.parametrize("by", ["uniform", "popularity"])
def test_excluded_tags_are_never_negatives_of_a_video(by: str) -> None:
    world = World(by=by)
    met: set[int] = set()
    for seed in range(20):
        sample = world.sample(range(40), seed)
        for video in range(40):
            assert not negatives_of(sample, video) & world.never(video)
            met |= negatives_of(sample, video) & set(world.own[(video + 1) % 40])
    assert met  # the tags of others are


def test_the_true_tags_of_a_video_are_some_of_its_own_each_once() -> None:
    world = World()
    met: list[set[int]] = [set() for _ in range(40)]
    for seed in range(20):
        sample = world.sample(range(40), seed)
        np.testing.assert_array_equal(sample.tags, np.unique(sample.tags))
        true = Counter((int(video), int(sample.tags[index])) for video, index in zip(*sample.positives, strict=True))
        assert set(true.values()) == {1}
        for video in range(40):
            tags = {tag for holder, tag in true if holder == video}
            assert tags <= set(world.own[video])
            assert len(tags) == min(3, len(world.own[video]))
            met[video] |= tags
    assert met == [set(tags) for tags in world.own]  # drawn anew each time


def test_two_hop_negatives_are_at_distance_two_from_the_nearest_tag() -> None:
    world = World()
    met: list[set[int]] = [set() for _ in range(40)]
    for seed in range(20):
        sample = world.sample(range(40), seed)
        for video in range(40):
            hops = negatives_of(sample, video, TWO_HOPS)
            assert hops <= world.two_hops(video) - world.never(video)
            assert len(hops) <= 6
            met[video] |= hops
    reachable = [world.two_hops(video) - world.never(video) for video in range(40)]
    assert sum(map(len, reachable)) > 400
    assert sum(map(len, met)) > 0.8 * sum(map(len, reachable))


def test_a_walk_is_as_probable_as_the_weights_it_goes_along() -> None:
    weights = np.zeros((4, 4))
    for first, other, weight in ((0, 1, 1.0), (1, 2, 1.0), (1, 3, 3.0)):
        weights[first, other] = weights[other, first] = weight
    known = matrix([[0]], 4)
    config = NegativesConfig(drawn=1, two_hop=1, recalled=0)
    negatives = NegativeSampler(known, known, sparse.csr_array(weights), None, config)
    ends = [negatives.sample(np.array([0]), np.random.default_rng(seed)) for seed in range(2000)]
    got = Counter(tag for sample in ends for tag in negatives_of(sample, 0, TWO_HOPS))

    # Each of four walks is 0 -> 1 -> 0, 2 or 3; one of the distinct ends at two hops is taken.
    want = {2: 0.0, 3: 0.0}
    for walks in product([(0, 0.2), (2, 0.2), (3, 0.6)], repeat=4):
        beyond = {end for end, _ in walks} - {0}
        for end in beyond:
            want[end] += float(np.prod([chance for _, chance in walks])) / len(beyond)
    assert set(got) == {2, 3}
    for end in (2, 3):
        assert got[end] / 2000 == pytest.approx(want[end], abs=0.04)


def test_recalled_negatives_are_candidates_of_the_same_video() -> None:
    world = World()
    for seed in range(10):
        sample = world.sample(range(40), seed)
        for video in range(40):
            recalled = negatives_of(sample, video, RECALLED)
            allowed = set(world.recalled[video]) - world.never(video)
            assert recalled <= allowed
            assert len(recalled) == min(5, len(allowed))


def test_a_videos_own_negatives_are_not_negatives_of_other_videos() -> None:
    world = World()
    sample = world.sample(range(40), 0)
    for video in range(40):
        own = negatives_of(sample, video, TWO_HOPS) | negatives_of(sample, video, RECALLED)
        assert own <= world.two_hops(video) | set(world.recalled[video])


def test_without_hops_and_recall_all_videos_share_the_drawn_alone() -> None:
    world = World(two_hop=0, recalled=0)
    sample = world.sample([5, 6, 7], 0)
    assert set(sample.source.reshape(-1).tolist()) <= {-1, DRAWN}
    everyone = set.union(*(negatives_of(sample, row) for row in range(3)))
    assert len(everyone) <= 15
    for row, video in enumerate((5, 6, 7)):
        assert negatives_of(sample, row) == everyone - world.never(video)


def test_a_video_without_tags_and_one_whose_tags_have_no_edges_have_no_hops() -> None:
    world = World()
    sample = world.sample([3, 4], 0)
    for row in range(2):
        assert not negatives_of(sample, row, TWO_HOPS)
        assert negatives_of(sample, row, DRAWN)
    assert set(sample.positives[0].tolist()) == {1}


def test_a_graph_without_edges_is_no_error() -> None:
    known = matrix([[0], [1]], 5)
    negatives = NegativeSampler(known, known, sparse.csr_array((5, 5)), None, NegativesConfig(drawn=3))
    sample = negatives.sample(np.array([0, 1]), np.random.default_rng(0))
    assert set(sample.source.reshape(-1).tolist()) == {-1, DRAWN}


@pytest.mark.parametrize("by", ["uniform", "popularity"])
@pytest.mark.parametrize("drawn", [60, 1000])
def test_as_many_as_there_are_means_all_without_correction(by: str, drawn: int) -> None:
    world = World(by=by, drawn=drawn)
    sample = world.sample(range(10), 0)
    np.testing.assert_array_equal(sample.tags, np.arange(60))
    assert not sample.correction.any()
    for video in range(10):
        assert negatives_of(sample, video) == set(range(60)) - world.never(video)


def test_the_same_generator_gives_the_same_draw() -> None:
    for by in ("uniform", "popularity"):
        world = World(by=by)
        first, again, other = (world.sample([5, 6], seed) for seed in (5, 5, 6))
        for name in ("tags", "source", "correction"):
            np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        np.testing.assert_array_equal(np.stack(first.positives), np.stack(again.positives))
        assert not np.array_equal(first.tags, other.tags)


@pytest.mark.parametrize("by", ["uniform", "popularity"])
def test_corrected_the_drawn_estimate_the_sum_over_all_negatives(by: str) -> None:
    # Tag 0 is on nearly all videos, and the nearest: drawn often, it would be counted too much without correction.
    own = [[5, 7], *([0, 1 + row % 30] for row in range(300))]
    known = matrix(own, 40)
    config = NegativesConfig.model_validate({"drawn": 10, "by": by, "two_hop": 0, "recalled": 0})
    negatives = NegativeSampler(known, known, sparse.csr_array((40, 40)), None, config)
    logits = np.random.default_rng(0).standard_normal(40)
    logits[0] = 2.0
    want = sum(np.exp(logits[tag]) for tag in range(40) if tag not in own[0])
    estimates = []
    generator = np.random.default_rng(1)
    for _ in range(3000):
        sample = negatives.sample(np.array([0]), generator)
        terms = np.exp(logits[sample.tags] - sample.correction[0]) * (sample.source[0] >= 0)
        estimates.append(terms.sum() * 40 / 10)
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert np.mean(estimates) == pytest.approx(want, abs=4 * error)
    assert error < 0.02 * want


def test_an_even_draw_takes_every_tag_as_often_and_none_twice() -> None:
    world = World(two_hop=0, recalled=0, drawn=15)
    times: Counter[int] = Counter()
    for seed in range(600):
        tags = negatives_of(world.sample([3], seed), 0)
        assert len(tags) == 15
        times.update(tags)
    assert set(times) == set(range(60))
    assert max(abs(times[tag] / 600 - 0.25) for tag in range(60)) < 0.08


def dense(values: sparse.csr_array) -> NDArray[np.bool_]:
    return np.asarray(values.toarray(), np.bool_)


def test_the_hierarchy_mask_has_parents_and_children() -> None:
    parents = [[], [0], [0, 1], [], [2]]
    kin = dense(hierarchy_mask(parents))
    for first in range(5):
        for other in range(5):
            assert kin[first, other] == (first in parents[other] or other in parents[first])
    assert hierarchy_mask([[], []]).nnz == 0


def test_the_exclusion_mask_has_own_and_near_duplicates_tags_with_their_hierarchy() -> None:
    world = World()
    out = dense(exclusion_mask(matrix(world.own, 60), hierarchy_mask(world.parents), matrix(world.twins, 40)))
    for video in range(40):
        assert set(np.flatnonzero(out[video]).tolist()) == world.never(video)


def test_the_strongest_edges_are_those_of_the_highest_cosine_from_either_end() -> None:
    graph = random_graph(40, np.random.default_rng(3)).toarray()
    got = top_edges(sparse.csr_array(graph), 2).toarray()
    sums = graph.sum(axis=1)
    want = np.zeros_like(graph)
    for first in range(40):
        strength = {
            other: graph[first, other] / np.sqrt(sums[first] * sums[other]) for other in np.flatnonzero(graph[first])
        }
        for other in sorted(strength, key=lambda tag: -strength[tag])[:2]:
            want[first, other] = want[other, first] = strength[other]
    np.testing.assert_allclose(got, want)
    assert (np.count_nonzero(graph, axis=1) > 2).any()


def path_of(length: int) -> sparse.csr_array:
    """0 - 1 - 2 - …"""
    ends = np.arange(length - 1)
    upper = sparse.csr_array((np.ones(length - 1), (ends, ends + 1)), shape=(length, length))
    return sparse.csr_array(upper + upper.T)


def test_two_hops_are_counted_from_the_nearest_of_the_given_tags() -> None:
    edges = path_of(6)
    for tags, want in (([0], [2]), ([2], [0, 4]), ([0, 1], [3]), ([0, 3], [5]), ([], [])):
        assert at_two_hops(edges, np.array(tags, np.int64)).tolist() == want


@pytest.mark.parametrize("seed", range(8))
def test_tags_at_two_hops_are_those_that_breadth_first_search_finds(seed: int) -> None:
    generator = np.random.default_rng(seed)
    edges = random_graph(40, generator)
    for count in (1, 3):
        tags = generator.choice(40, count, replace=False)
        assert at_two_hops(edges, tags).tolist() == sorted(breadth_first(edges, tags.tolist()))
