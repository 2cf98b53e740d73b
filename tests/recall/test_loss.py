"""Losses compared with the equations of their papers, by hand."""

import math

import pytest
import torch

from recall.loss import asymmetric, contrastive, decoupled, softmax

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
ROWS, COLUMNS = torch.tensor([0, 0]), torch.tensor([0, 1])


def test_softmax_compares_each_positive_with_all_labels() -> None:
    total = sum(math.exp(x) for x in (2, 1, 0, -1))
    assert softmax(LOGITS, ROWS, COLUMNS).tolist() == pytest.approx([math.log(total) - 2, math.log(total) - 1])


def test_decoupled_positives_do_not_compete() -> None:
    negatives = math.exp(0) + math.exp(-1)
    expected = [math.log(math.exp(s) + negatives) - s for s in (2, 1)]
    assert decoupled(LOGITS, ROWS, COLUMNS).tolist() == pytest.approx(expected)
    louder = LOGITS.clone()
    louder[0, 0] = 50.0
    assert decoupled(louder, ROWS, COLUMNS)[1].item() == pytest.approx(expected[1])


def test_asymmetric_loss_down_weights_easy_negatives() -> None:
    logits = torch.tensor([[0.0, 0.0, -3.0]])
    loss = asymmetric(logits, torch.tensor([0]), torch.tensor([0]))
    likely = 0.5 - 0.05  # of the second; the third, 0.047, is below the margin
    assert loss.tolist() == pytest.approx([math.log(2) - likely**4 * math.log(1 - likely)])


def test_contrastive_loss_excludes_similar_videos_from_the_negatives() -> None:
    anchors, partners = torch.eye(2), torch.eye(2)
    alone = contrastive(anchors, partners, torch.tensor([[True, True], [False, True]]), 1.0)
    assert alone.tolist() == pytest.approx([0.0, math.log(math.e + 1) - 1])
