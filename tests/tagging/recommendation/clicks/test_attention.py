"""Self-attention over fields against a loop over heads and fields."""

import math

import torch

from tagging.recommendation.clicks.attention import SelfAttention


def test_each_head_attends_to_the_fields_that_are_present() -> None:
    torch.manual_seed(0)
    layer, x = SelfAttention(width=6, heads=2), torch.randn(3, 4, 6)
    present = torch.tensor([[True] * 4, [True, False, True, True], [False, False, True, False]])
    q, k, v = layer.project.weight.tensor_split(3)
    for row in range(3):
        others = [field for field in range(4) if present[row, field]]
        for field in range(4):
            heads = []
            for head in (slice(0, 3), slice(3, 6)):
                query = q[head] @ x[row, field]
                logits = torch.stack([query @ (k[head] @ x[row, other]) / math.sqrt(3) for other in others])
                weights = logits.softmax(0)
                heads.append(sum(w * (v[head] @ x[row, other]) for w, other in zip(weights, others, strict=True)))
            expected = torch.relu(torch.cat(heads) + layer.residual.weight @ x[row, field])
            torch.testing.assert_close(layer(x, present)[row, field], expected, atol=1e-5, rtol=1e-4)


def test_a_row_without_any_field_has_finite_values() -> None:
    layer = SelfAttention(width=4, heads=2)
    assert layer(torch.zeros(1, 3, 4), torch.zeros(1, 3, dtype=torch.bool)).isfinite().all()
