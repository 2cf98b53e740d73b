"""Gradients of a loss over more rows than fit into memory (GradCache, Gao et al. 2021, section 3.2)."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

Part = TypeVar("Part")
RandomState = tuple[Tensor, Tensor | None]  # of the processor, and of the GPU in use


def backward(
    encode: Callable[[Part], Sequence[Tensor]],
    parts: Sequence[Part],
    loss: Callable[..., Tensor],
    no_sync: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Gradients of loss(*rows), where rows are what `encode` makes of the parts, one after the other.

    encode: one part -> a tensor a kind of rows, (n, …); the same kinds of every part
    no_sync: what all but the last part are encoded in, as DistributedDataParallel wants it

    Parts are encoded without a graph, the loss is differentiated by their rows, and each is encoded a second time with
    the same dropout to carry those gradients on. One part needs one pass.
    """
    if len(parts) == 1:
        torch.autograd.backward(loss(*encode(parts[0])))
        return
    states: list[RandomState] = []
    encoded: list[Sequence[Tensor]] = []
    with torch.no_grad():
        for part in parts:
            states.append(_random_state())
            encoded.append(encode(part))
    kinds = list(zip(*encoded, strict=True))
    leaves = [torch.cat(of_kind).requires_grad_() for of_kind in kinds]
    torch.autograd.backward(loss(*leaves))
    gradients = [
        torch.split(_gradient(leaf), [len(some) for some in of_kind])
        for leaf, of_kind in zip(leaves, kinds, strict=True)
    ]
    after = _random_state()
    for place, part in enumerate(parts):
        _set_random_state(states[place])
        with nullcontext() if place + 1 == len(parts) else no_sync():
            torch.autograd.backward(encode(part), [of_kind[place] for of_kind in gradients])
    _set_random_state(after)


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def _random_state() -> RandomState:
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def _set_random_state(state: RandomState) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
