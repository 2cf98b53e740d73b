"""GradCache: gradients of a batch in chunks equal those of one pass."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rank.gradcache import backward


def test_gradients_of_parts_are_those_of_one_pass_with_the_same_dropout() -> None:
    torch.manual_seed(0)
    encoders = [nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.4), nn.Linear(8, 4)) for _ in range(2)]
    scale = nn.Parameter(torch.tensor([1.5]))
    weights = [scale, *(weight for encoder in encoders for weight in encoder.parameters())]
    things = [torch.randn(7, 5), torch.randn(11, 5)]

    def encode(part: tuple[NDArray[np.int64], NDArray[np.int64]]) -> tuple[Tensor, Tensor, Tensor]:
        first, other = (
            encoder(all_of[torch.from_numpy(rows)])
            for encoder, all_of, rows in zip(encoders, things, part, strict=True)
        )
        return first, other, scale * 1.0

    def loss(first: Tensor, other: Tensor, scales: Tensor) -> Tensor:
        cosines = nn.functional.normalize(first, dim=1) @ nn.functional.normalize(other, dim=1).T
        return -(scales[0] * cosines).log_softmax(dim=1)[:, :7].diagonal().mean()

    def gradients(backwards: Callable[[], None]) -> tuple[list[Tensor], Tensor]:
        torch.manual_seed(1)
        for weight in weights:
            weight.grad = None
        backwards()
        return [weight.grad for weight in weights if weight.grad is not None], torch.rand(3)

    for count in (1, 2, 3, 9):  # of nine parts, two have no row of the first
        parts = list(zip(np.array_split(np.arange(7), count), np.array_split(np.arange(11), count), strict=True))

        def one_pass(parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = parts) -> None:
            """The same parts, which draw the same dropout, all with their graphs in memory."""
            ones, others, scales = zip(*map(encode, parts), strict=True)
            torch.autograd.backward(loss(torch.cat(ones), torch.cat(others), torch.cat(scales)))

        want, next_wanted = gradients(one_pass)
        got, then = gradients(lambda parts=parts: backward(encode, parts, loss))  # type: ignore[misc]
        assert len(got) == len(weights)
        for mine, theirs in zip(got, want, strict=True):
            torch.testing.assert_close(mine, theirs)
        assert torch.equal(then, next_wanted)  # later draws are the same too


def test_all_chunks_but_the_last_are_encoded_without_synchronisation() -> None:
    weight = nn.Parameter(torch.ones(1))
    where: list[str] = []

    class Apart:
        def __enter__(self) -> None:
            where.append("in")

        def __exit__(self, *_: object) -> None:
            where.append("out")

    def encode(part: int) -> tuple[Tensor]:
        if torch.is_grad_enabled():
            where.append(str(part))
        return (weight * part,)

    backward(encode, [1, 2, 3], lambda rows: rows.sum(), Apart)
    assert where == ["in", "1", "out", "in", "2", "out", "3"]
    assert weight.grad is not None
    assert weight.grad.item() == 6
