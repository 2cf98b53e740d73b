import math

import pytest
import torch

from recall.loss import asymmetric, decoupled, softmax
from tagging.topics.loss import multi_task_loss

LOGITS = {
    "category": torch.tensor([[1.0, -0.5], [0.2, 0.3], [0.0, 2.0]]),
    "tags": torch.tensor([[0.5, 1.0, -1.0], [2.0, 0.1, 0.4], [0.3, 0.2, 0.1]]),
}
LABELS = {"category": [[1, 0], [0, 1], [0, 0]], "tags": [[1, 1, 0], [0, 0, 0], [0, 0, 1]]}


def positives() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    found = {task: torch.tensor(rows).nonzero(as_tuple=True) for task, rows in LABELS.items()}
    return {task: (pair[0], pair[1]) for task, pair in found.items()}


def test_it_is_the_cross_entropy_of_equation_two() -> None:
    want = 0.0
    for task, rows in LABELS.items():
        for video, labels in enumerate(rows):
            powers = [math.exp(value) for value in LOGITS[task][video].tolist()]
            for label, power in zip(labels, powers, strict=True):
                want -= label * math.log(power / sum(powers))
    got = multi_task_loss(LOGITS, positives(), {"category": softmax, "tags": softmax})
    assert got.item() == pytest.approx(want / 3, abs=1e-6)


def test_a_video_without_labels_of_a_task_adds_nothing_to_it() -> None:
    changed = {**LOGITS, "tags": LOGITS["tags"].clone()}
    changed["tags"][1] = torch.tensor([-9.0, 4.0, 1.0])
    losses = {"category": softmax, "tags": softmax}
    assert multi_task_loss(changed, positives(), losses) == multi_task_loss(LOGITS, positives(), losses)


def test_with_the_decoupled_loss_the_tags_of_a_video_do_not_compete() -> None:
    """A label that another label pushes down is how cross-entropy punishes videos of many tags."""
    logits = {"tags": torch.tensor([[3.0, 0.0, -2.0]])}
    pairs = {"tags": (torch.tensor([0, 0]), torch.tensor([0, 1]))}
    without = math.log(1 + math.exp(-2.0 - 3.0)) + math.log(1 + math.exp(-2.0 - 0.0))
    assert multi_task_loss(logits, pairs, {"tags": decoupled}).item() == pytest.approx(without, abs=1e-5)


def test_the_asymmetric_loss_forgives_unstated_tags_of_low_probability() -> None:
    logits = {"tags": torch.tensor([[4.0, -3.5]], requires_grad=True)}  # the second is unstated; p = 0.03 < 0.05
    pairs = {"tags": (torch.tensor([0]), torch.tensor([0]))}
    multi_task_loss(logits, pairs, {"tags": asymmetric}).backward()  # type: ignore[no-untyped-call]
    gradient = logits["tags"].grad
    assert gradient is not None
    assert gradient[0, 1] == 0
