import math

import pytest
import torch

from tagging.torch_tools import RowAdagrad, decoupled_softmax, modality_dropout


def test_row_wise_adagrad_agrees_with_torch_for_rows_of_one_number() -> None:
    table = torch.tensor([1.0, 2.0, 3.0])
    ours = RowAdagrad(table, 0.1)
    theirs = torch.nn.Parameter(torch.tensor([1.0, 3.0]))
    optimizer = torch.optim.Adagrad([theirs], lr=0.1, eps=1e-8)
    for gradient in ([0.5, -1.0], [0.2, 0.4]):
        ours.step(torch.tensor([0, 2]), torch.tensor(gradient), 1.0)
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
    assert table[[0, 2]].tolist() == pytest.approx(theirs.tolist())
    assert table[1] == 2.0


def test_gradients_of_a_repeated_row_are_summed_before_the_step() -> None:
    torch.manual_seed(0)
    first = torch.randn(4, 3)
    gradient = torch.randn(5, 3)
    repeated, summed = RowAdagrad(first.clone(), 0.1), RowAdagrad(first.clone(), 0.1)
    repeated.step_summed(torch.tensor([2, 0, 2, 3, 2]), gradient, 0.5)
    summed.step(torch.tensor([0, 2, 3]), torch.stack([gradient[1], gradient[[0, 2, 4]].sum(0), gradient[3]]), 0.5)
    torch.testing.assert_close(repeated.table, summed.table)
    assert torch.equal(repeated.table[1], first[1])


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(0)], ids=["global", "own"])
def test_modality_dropout_never_drops_the_last_modality(generator: torch.Generator | None) -> None:
    torch.manual_seed(0)
    present = torch.tensor([[True, False, False], [True, True, True], [False, True, True], [False] * 3]).repeat(300, 1)
    kept = modality_dropout(present, 0.5, generator)
    assert torch.equal(kept.any(dim=1), present.any(dim=1))
    assert not (kept & ~present).any()
    assert torch.equal(modality_dropout(present, 0.0, generator), present)
    # Each of three is kept with probability 1/2, and also when all three would have been dropped.
    assert kept[1::4].float().mean().item() == pytest.approx(0.5 + 0.5**3, abs=0.06)


def test_decoupled_softmax_compares_a_positive_with_the_negatives_only() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.5, -1.0]])
    negative = torch.tensor([[-torch.inf, -torch.inf, 0.5, -1.0]])
    loss = decoupled_softmax(logits, torch.tensor([0, 0]), torch.tensor([0, 1]), negative)
    sums = math.exp(0.5) + math.exp(-1.0)
    assert loss.tolist() == pytest.approx([math.log(1 + sums / math.exp(positive)) for positive in (2.0, 1.0)])
