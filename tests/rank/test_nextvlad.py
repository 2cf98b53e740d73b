"""NextVLAD against the sums of its paper, written as loops."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rank.nextvlad import ContextGating, NextVLAD, NextVLADSize, aggregate


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def of_the_paper(
    groups: NDArray[np.float32],
    attention: NDArray[np.float32],
    assignment: NDArray[np.float32],
    clusters: NDArray[np.float32],
    mask: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """y_jk = Σ_i Σ_g α_g(ẋ_i) α_gk(ẋ_i) (x̃^g_ij - c_kj), and each cluster's divided by its length."""
    batch, steps, parts, _ = groups.shape
    sums = np.zeros((batch, *clusters.shape))
    for b in range(batch):
        for k, centre in enumerate(clusters):
            for i in range(steps):
                for g in range(parts):
                    if mask[b, i]:
                        share = float(attention[b, i, g]) * float(assignment[b, i, g, k])
                        sums[b, k] += share * (groups[b, i, g].astype(np.float64) - centre)
            sums[b, k] /= max(float(np.linalg.norm(sums[b, k])), 1e-12)
    return sums


def test_aggregation_is_the_papers_sum_over_tokens_and_groups() -> None:
    groups, clusters = drawn(3, 5, 2, 4), drawn(6, 4, seed=1)
    attention, assignment = drawn(3, 5, 2, seed=2).sigmoid(), drawn(3, 5, 2, 6, seed=3).softmax(dim=3)
    mask = torch.tensor([[True] * 5, [True, True, False, True, False], [False] * 5])
    got = aggregate(groups, attention, assignment, clusters, mask)
    want = of_the_paper(groups.numpy(), attention.numpy(), assignment.numpy(), clusters.numpy(), mask.numpy())
    np.testing.assert_allclose(got.numpy(), want, atol=1e-5)
    np.testing.assert_allclose(got[:2].norm(dim=2), 1.0, atol=1e-5)
    assert not got[2].any()


def test_the_module_widens_attends_and_assigns_as_the_paper_says() -> None:
    torch.manual_seed(0)
    module = NextVLAD(6, 5, NextVLADSize(clusters=3, groups=4, expansion=2), dropout=0.5).eval()
    tokens, mask = drawn(2, 4, 6), torch.tensor([[True] * 4, [True, True, False, False]])
    weights = {name: value.detach().numpy() for name, value in module.named_parameters()}

    shape = (2, 4, 4)
    groups = np.zeros((*shape, 3), np.float32)
    attention, assignment = np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32)
    for b in range(2):
        for i in range(4):
            entered = functional.layer_norm(tokens[b, i], (6,)).numpy()  # the paper's frames were whitened
            wide = weights["expand.weight"] @ entered + weights["expand.bias"]
            for g in range(4):
                groups[b, i, g] = wide[3 * g : 3 * g + 3]
                logit = weights["attend.weight"][g] @ wide + weights["attend.bias"][g]
                attention[b, i, g] = 1 / (1 + np.exp(-logit))
                rows = slice(3 * g, 3 * g + 3)
                powers = np.exp(weights["assign.weight"][rows] @ wide + weights["assign.bias"][rows])
                assignment[b, i, g] = powers / powers.sum()
    vlad = of_the_paper(groups, attention, assignment, weights["centres"], mask.numpy()).reshape(2, -1)
    want = vlad @ weights["leave.weight"].T + weights["leave.bias"]
    np.testing.assert_allclose(module(tokens, mask).detach().numpy(), want, atol=1e-5)


def some_module() -> NextVLAD:
    torch.manual_seed(1)
    return NextVLAD(8, 6, NextVLADSize(clusters=4, groups=2, expansion=2), dropout=0.5).eval()


def test_masked_tokens_change_nothing() -> None:
    module, tokens = some_module(), drawn(3, 6, 8)
    mask = torch.tensor([[True] * 6, [True, False, True, False, False, False], [False] * 6])
    want = module(tokens, mask)
    garbage = torch.where(mask[..., None], tokens, 1e4 * drawn(3, 6, 8, seed=9))
    assert torch.equal(module(garbage, mask), want)
    longer = torch.cat([tokens, drawn(3, 50, 8, seed=5)], dim=1)
    padded = torch.cat([mask, torch.zeros(3, 50, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(module(longer, padded), want, atol=1e-5, rtol=0)


def test_the_order_of_frames_does_not_matter() -> None:
    module, tokens, mask = some_module(), drawn(2, 7, 8), torch.ones(2, 7, dtype=torch.bool)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(tokens[:, order], mask), module(tokens, mask), atol=1e-5, rtol=0)


def test_an_item_without_a_token_gets_the_bias_and_its_gradient_only() -> None:
    module, tokens = some_module(), drawn(2, 3, 8).requires_grad_()
    got = module(tokens, torch.zeros(2, 3, dtype=torch.bool))
    assert torch.equal(got, module.leave.bias.expand(2, 6))
    torch.autograd.backward(got.sum())
    for name, value in module.named_parameters():
        assert value.grad is not None
        assert value.grad.isfinite().all()
        assert value.grad.any() == (name == "leave.bias")
    assert tokens.grad is not None
    assert not tokens.grad.any()


def test_a_width_that_groups_do_not_divide_is_rejected() -> None:
    with pytest.raises(ValueError, match="2 times 5 dimensions cannot be split into 4 equal groups"):
        NextVLAD(5, 4, NextVLADSize(clusters=2, groups=4, expansion=2), dropout=0.0)


def test_gating_scales_each_dimension_given_all_of_them() -> None:
    torch.manual_seed(0)
    gating, values = ContextGating(16), drawn(3, 16)
    torch.testing.assert_close(gating(values), 0.5 * values)  # at first all dimensions count the same
    for weight in gating.parameters():
        torch.nn.init.normal_(weight)
    into, norm, _, out, _ = gating.gate
    for row, gated in zip(values, gating(values), strict=True):
        narrow = into.weight @ row
        hidden = (narrow - narrow.mean()) / (narrow.var(unbiased=False) + 1e-5).sqrt() * norm.weight + norm.bias
        gate = 1 / (1 + torch.exp(-(out.weight @ hidden.clamp(min=0) + out.bias)))
        torch.testing.assert_close(gated, gate * row)
