from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tagging.config.recall import DeepWalkConfig
from tagging.progress import Silent
from tagging.ragged import Ragged, WeightedRows
from tagging.tags.catalog import build_catalog
from tagging.tags.graph import TagGraph, build_graph
from tagging.tags.graph_embedding import embed_tags, random_walks, skip_gram_gradients

SMALL = DeepWalkConfig(dim=16, walks=20, length=20, batch=8)


def graph_of(pairs: list[tuple[int, int]], tags: int, uploaders: list[int] | None = None) -> TagGraph:
    return build_graph(Ragged.of(pairs), tags, None if uploaders is None else np.array(uploaders))


def clique(tags: range) -> list[tuple[int, int]]:
    return list(combinations(tags, 2))


def two_cliques() -> TagGraph:
    """0-5 and 6-11, joined once; 12 has no edge."""
    return graph_of([*clique(range(6)), *clique(range(6, 12)), (5, 6)], 13)


def embed(graph: TagGraph, config: DeepWalkConfig = SMALL, seed: int = 0) -> NDArray[np.float32]:
    return embed_tags(graph, config, np.random.default_rng(seed), Silent())


def edges_of(graph: TagGraph, weights: NDArray[np.int32]) -> WeightedRows:
    return WeightedRows(graph.videos.indptr, graph.videos.indices, weights)


def test_walks_start_at_the_given_tags_and_follow_edges() -> None:
    graph = two_cliques()
    starts = np.arange(12)
    walks = random_walks(edges_of(graph, graph.videos.data), starts, 50, np.random.default_rng(0))
    assert walks.shape == (12, 50)
    np.testing.assert_array_equal(walks[:, 0], starts)
    dense = graph.videos.toarray()
    assert (dense[walks[:, :-1], walks[:, 1:]] > 0).all()


def test_the_probability_of_a_step_is_proportional_to_its_weight() -> None:
    graph = graph_of([(0, 1)] + 3 * [(0, 2)] + 6 * [(0, 3)], 4, uploaders=[0, *range(1, 4), *(6 * [9])])
    rng = np.random.default_rng(0)

    def shares(weights: NDArray[np.int32]) -> NDArray[np.float64]:
        steps = random_walks(edges_of(graph, weights), np.zeros(20_000, np.int64), 2, rng)[:, 1]
        shares: NDArray[np.float64] = np.bincount(steps, minlength=4) / len(steps)
        return shares

    np.testing.assert_allclose(shares(graph.videos.data), [0, 0.1, 0.3, 0.6], atol=0.02)
    np.testing.assert_allclose(shares(graph.uploaders), [0, 0.2, 0.6, 0.2], atol=0.02)


def test_the_gradients_agree_with_the_loss_computed_pair_by_pair() -> None:
    torch.manual_seed(0)
    x, y, z = (torch.randn(2, places, 3, requires_grad=True) for places in (4, 4, 5))
    band = torch.tensor([[0, 1, 0.5, 0], [1, 0, 1, 0.5], [0.5, 1, 0, 1], [0, 0.5, 1, 0]])
    noise_weight = torch.tensor([[0.3], [0.2], [0.2], [0.3]])
    loss = torch.zeros(())
    for walk in range(2):
        for centre in range(4):
            for context in range(4):
                score = x[walk, centre] @ y[walk, context]
                loss = loss - band[centre, context] * torch.sigmoid(score).log()
            for noise in range(5):
                loss = loss - noise_weight[centre, 0] * torch.sigmoid(-x[walk, centre] @ z[walk, noise]).log()
    want = torch.autograd.grad(loss, (x, y, z))
    got = skip_gram_gradients(x.detach(), y.detach(), z.detach(), band, noise_weight)
    for gradient, wanted in zip(got, want, strict=True):
        torch.testing.assert_close(gradient, wanted)


def test_tags_of_one_clique_are_nearer_than_those_of_two() -> None:
    cosines = (rows := embed(two_cliques())) @ rows.T
    within = [cosines[pair] for pair in [*clique(range(6)), *clique(range(6, 12))]]
    between = [cosines[a, b] for a in range(6) for b in range(6, 12)]
    assert np.mean(within) > np.mean(between) + 0.3


def test_rows_have_unit_length_and_a_tag_without_edges_has_zeros() -> None:
    rows = embed(two_cliques())
    assert rows.shape == (13, 16)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows[:12], axis=1), 1, atol=1e-5)
    assert not rows[12].any()


def test_the_same_seed_gives_the_same_rows_with_any_number_of_threads() -> None:
    threads = torch.get_num_threads()
    first = embed(two_cliques())
    try:
        torch.set_num_threads(threads + 1)
        again = embed(two_cliques())
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(first, again)
    assert (embed(two_cliques(), seed=1) != first).any()


@pytest.mark.parametrize("tags", [0, 3])
def test_a_graph_without_edges_has_no_embeddings_and_no_nan(tags: int) -> None:
    rows = embed(graph_of([], tags))
    assert rows.shape == (tags, 16)
    assert not rows.any()


def test_a_walk_of_one_tag_and_a_graph_of_one_edge_give_unit_rows() -> None:
    for config in (SMALL, SMALL.model_copy(update={"length": 1, "walks": 1})):
        rows = embed(graph_of([(0, 1)], 2), config)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_the_embeddings_predict_which_tags_occur_together_on_unseen_talks(shared_data: Path) -> None:
    """Area under the ROC curve of the cosine; false pairs are made of tags as common as those of true pairs."""
    import pandas as pd

    talks = [list(tags) for tags in pd.read_parquet(shared_data / "metadata/ted_talks.parquet").tags]
    catalog, tags = build_catalog(talks, min_count=5)
    cut = len(tags) * 4 // 5
    seen, unseen = tags.only(np.arange(cut)), tags.only(np.arange(cut, len(tags)))
    graph, later = (build_graph(part, len(catalog)) for part in (seen, unseen))
    rows = embed(graph, DeepWalkConfig(dim=32, walks=20, length=50))
    first, second = np.nonzero(np.triu(later.videos.toarray()))
    true, false = ((rows[first] * rows[ends]).sum(1) for ends in (second, np.random.default_rng(0).permutation(second)))
    assert (true[:, None] > false).mean() > 0.6
