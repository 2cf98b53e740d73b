"""GradCache: gradients of a batch that does not fit into memory (Gao et al. 2021, section 3.2).

Written by hand: the package on PyPI is at version 0.0.1, and this is one function.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

Chunk = TypeVar("Chunk")
RandomState = tuple[Tensor, Tensor | None]  # of the CPU, and of the current GPU


def backward(
    encode: Callable[[Chunk], Sequence[Tensor]],
    chunks: Sequence[Chunk],
    loss: Callable[..., Tensor],
    no_sync: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Compute the gradients of loss(*rows), where `encode` makes the rows from one chunk after the other.

    encode:  a chunk -> one tensor (n, …) per kind of rows; the same kinds for every chunk
    loss:    called with the rows of all chunks, concatenated, one tensor per kind
    no_sync: context in which all but the last chunk are encoded, as DistributedDataParallel requires

    Chunks are encoded without a graph, the loss is differentiated by the rows, and each chunk is encoded a second time,
    with the same dropout, to propagate the gradients of its rows. A single chunk needs one pass.
    """
    if len(chunks) == 1:
        torch.autograd.backward(loss(*encode(chunks[0])))
        return
    states: list[RandomState] = []
    encoded: list[Sequence[Tensor]] = []
    with torch.no_grad():
        for chunk in chunks:
            states.append(_random_state())
            encoded.append(encode(chunk))
    kinds = list(zip(*encoded, strict=True))
    leaves = [torch.cat(rows).requires_grad_() for rows in kinds]
    torch.autograd.backward(loss(*leaves))
    gradients = [
        torch.split(_gradient(leaf), [len(rows) for rows in kind]) for leaf, kind in zip(leaves, kinds, strict=True)
    ]
    final_state = _random_state()
    for index, chunk in enumerate(chunks):
        _set_random_state(states[index])
        with nullcontext() if index + 1 == len(chunks) else no_sync():
            torch.autograd.backward(encode(chunk), [kind[index] for kind in gradients])
    _set_random_state(final_state)


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def _random_state() -> RandomState:
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def _set_random_state(state: RandomState) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
