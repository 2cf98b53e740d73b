"""The click model: its parts and how they are summed."""

import pytest
import torch

from tagging.config.clicks import ClicksConfig
from tagging.recommendation.clicks.network import ClickNetwork

SIZES = {"user": 5, "video": 6, "tags": 4}
FIELDS = {
    "user": torch.tensor([[1], [2], [4]]),
    "video": torch.tensor([[1], [5], [0]]),
    "tags": torch.tensor([[1, 2], [3, 0], [0, 0]]),
}


def test_the_output_is_the_sum_of_linear_part_representations_and_perceptron() -> None:
    torch.manual_seed(0)
    network = ClickNetwork(SIZES, ClicksConfig(width=4, hidden=(3,), interaction_dropout=0.25)).eval()
    assert network.deep is not None
    x, present = network.embedding(FIELDS)
    [attention], [crossing] = [list(branch.children()) for branch in network.branches]
    inner, crossed = attention(x, present), crossing(x, present)
    for row in range(3):
        a = torch.cat([inner[row].flatten(), crossed[row].flatten()])  # eq. 2
        linear = torch.zeros(())
        for name, table in zip(SIZES, network.linear.tables, strict=True):
            rows = FIELDS[name][row]
            linear = linear + table.get_parameter("weight")[rows].sum() / max(1, int((rows > 0).sum()))
        interactions = network.out.weight[0] @ a + network.out.bias[0] + network.deep(a[None])[0, 0]
        torch.testing.assert_close(network(FIELDS)[row], linear + 0.75 * interactions)


def test_interactions_are_dropped_from_a_share_of_the_impressions() -> None:
    torch.manual_seed(0)
    network = ClickNetwork(SIZES, ClicksConfig(hidden=(), interaction_dropout=0.25))
    fields = {name: rows[:1].repeat(4000, 1) for name, rows in FIELDS.items()}
    first_order = network.linear(fields)[0].sum(dim=(1, 2))
    dropped = torch.isclose(network(fields), first_order, rtol=0, atol=1e-6)
    assert 0.22 < dropped.float().mean() < 0.28
    assert network(fields)[~dropped].var() > 0  # other impressions are dropped in the next step
    assert not torch.isclose(network.eval()(fields), first_order, rtol=0, atol=1e-6).any()


def test_without_hidden_layers_there_is_no_perceptron() -> None:
    network = ClickNetwork(SIZES, ClicksConfig(hidden=()))
    assert network.deep is None
    assert network(FIELDS).shape == (3,)


@pytest.mark.parametrize(
    ("changes", "branches"),
    [
        ({"crossings": 0}, [["SelfAttention"]]),
        ({"layers": 0}, [["AttentionCrossing"]]),
        ({"layers": 2, "crossings": 3}, [2 * ["SelfAttention"], 3 * ["AttentionCrossing"]]),
    ],
)
def test_each_layer_reads_the_one_before_and_a_branch_without_layers_is_left_out(
    changes: dict[str, int], branches: list[list[str]]
) -> None:
    torch.manual_seed(0)
    network = ClickNetwork(SIZES, ClicksConfig(width=4, hidden=(), **changes)).eval()
    assert [[type(layer).__name__ for layer in branch.children()] for branch in network.branches] == branches
    x, present = network.embedding(FIELDS)
    outputs = []
    for branch in network.branches:
        inner = x
        for layer in branch.children():
            inner = layer(inner, present)
        outputs.append(inner.flatten(1))
    interactions = network.out(torch.cat(outputs, dim=1))[:, 0]
    first_order = network.linear(FIELDS)[0].sum(dim=(1, 2))
    torch.testing.assert_close(network(FIELDS), first_order + interactions / 2)


def test_a_model_that_relates_no_fields_is_refused() -> None:
    with pytest.raises(ValueError, match="layers and crossings are both 0"):
        ClicksConfig(layers=0, crossings=0)


def test_a_missing_value_does_not_change_with_its_table() -> None:
    network = ClickNetwork(SIZES, ClicksConfig(width=4)).eval()
    before = network(FIELDS)
    with torch.no_grad():
        for tables in (network.embedding.tables, network.linear.tables):
            tables[1].get_parameter("weight")[1:] += 1  # of videos
    after = network(FIELDS)
    assert after[2] == before[2]
    assert (after[:2] != before[:2]).all()


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        ClicksConfig(width=6, heads=4)
