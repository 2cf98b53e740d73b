"""The contrastive loss and its filter against loops."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from rank.loss import decoupled_contrastive, false_negative_mask


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


PAIRS = (torch.tensor([0, 0, 0, 1, 3]), torch.tensor([0, 2, 5, 1, 6]))  # of four videos, the third without a true tag
NEGATIVE = torch.tensor(
    [
        [False, True, False, True, True, False, True],
        [True, False, True, False, True, True, False],
        [True, True, True, True, True, True, True],
        [False, False, False, False, False, False, False],
    ]
)


def by_loops(logits: Tensor, correction: Tensor, weight: Tensor) -> float:
    total = 0.0
    for video in range(len(logits)):
        nats = []
        for row, tag in zip(*(side.tolist() for side in PAIRS), strict=True):
            if row != video:
                continue
            true = math.exp(logits[video, tag])
            others = sum(
                math.exp(logits[video, other] - correction[video, other])
                for other in range(logits.shape[1])
                if NEGATIVE[video, other]
            )
            nats.append(-math.log(true / (true + others)))
        total += float(weight[video]) * (sum(nats) / len(nats) if nats else 0.0)
    return total / float(weight.sum())


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_each_true_tag_is_set_against_the_negatives_of_its_video(scale: float) -> None:
    logits, correction = scale * drawn(4, 7), drawn(4, 7, seed=1)
    weight = torch.tensor([1.0, 0.5, 2.0, 0.25])
    loss = decoupled_contrastive(logits, PAIRS, NEGATIVE, correction, weight)
    assert loss.item() == pytest.approx(by_loops(logits, correction, weight), rel=1e-5)


def test_without_correction_it_is_the_plain_softmax_of_one_true_tag() -> None:
    logits = drawn(1, 6)
    pairs = (torch.tensor([0]), torch.tensor([2]))
    negative = torch.arange(6)[None] != 2
    loss = decoupled_contrastive(logits, pairs, negative, torch.zeros(1, 6), torch.ones(1))
    torch.testing.assert_close(loss, -logits.log_softmax(dim=1)[0, 2])


def test_true_tags_are_not_in_each_others_denominator() -> None:
    logits = drawn(4, 7).requires_grad_()
    pairs = (torch.tensor([0]), torch.tensor([2]))  # of video 0's three, the loss of one
    torch.autograd.backward(decoupled_contrastive(logits, pairs, NEGATIVE, torch.zeros(4, 7), torch.ones(4)))
    assert logits.grad is not None
    gradient = logits.grad
    assert gradient[0, 2] < 0
    assert gradient[0, [0, 5]].tolist() == [0.0, 0.0]
    assert (gradient[0, NEGATIVE[0]] > 0).all()
    assert not gradient[1:].any()


def test_a_video_without_negatives_costs_nothing_and_moves_nothing() -> None:
    logits = drawn(4, 7).requires_grad_()
    pairs = (torch.tensor([3]), torch.tensor([6]))
    loss = decoupled_contrastive(logits, pairs, NEGATIVE, torch.zeros(4, 7), torch.ones(4))
    torch.autograd.backward(loss)
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_cosines_of_one_at_the_highest_scale_stay_finite() -> None:
    logits = torch.tensor([[-100.0, 100.0, 100.0]]).requires_grad_()
    pairs = (torch.tensor([0]), torch.tensor([0]))
    negative = torch.tensor([[False, True, True]])
    loss = decoupled_contrastive(logits, pairs, negative, torch.zeros(1, 3), torch.ones(1))
    assert loss.item() == pytest.approx(200 + math.log(2))
    torch.autograd.backward(loss)
    assert logits.grad is not None
    assert logits.grad.tolist() == [pytest.approx([-1.0, 0.5, 0.5], rel=1e-4)]


def test_false_negatives_exceed_a_share_of_the_true_tags_mean_cosine() -> None:
    cosines = drawn(4, 7).tanh()
    cosines[1, 1] = -0.4  # its only true tag: the towers know too little
    got = false_negative_mask(cosines, PAIRS, margin=0.9)
    rows, columns = (side.tolist() for side in PAIRS)
    want = np.zeros((4, 7), bool)
    for video in range(4):
        true = [float(cosines[video, tag]) for row, tag in zip(rows, columns, strict=True) if row == video]
        mean = sum(true) / len(true) if true else 0.0
        for tag in range(7):
            want[video, tag] = mean > 0 and float(cosines[video, tag]) > 0.9 * mean
    np.testing.assert_array_equal(got.numpy(), want)
    assert want.any()
    assert not want[1:3].any()
