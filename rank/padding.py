"""Padding of packed tokens to the rectangular tensors that networks read."""

import numpy as np
import torch
from torch import Tensor

from tagging.ragged import Tokens

Padded = tuple[Tensor, Tensor]  # (n, T, D) values and (n, T) mask, True where there is a token


def pad(tokens: Tokens) -> Padded:
    """Return (n, T, D) float32 with zeros after the end of shorter items, and the (n, T) mask; T is at least 1."""
    lengths = np.diff(tokens.starts)
    longest = max(1, int(lengths.max(initial=1)))
    mask = np.arange(longest) < lengths[:, None]
    if mask.all():  # as rows of a text encoder; the general assignment takes ten times as long
        values = tokens.values.astype(np.float32).reshape(len(tokens), longest, tokens.dim)
    else:
        values = np.zeros((len(tokens), longest, tokens.dim), np.float32)
        values[mask] = tokens.values
    return torch.from_numpy(values), torch.from_numpy(mask)


def to_device(padded: Padded, device: torch.device) -> Padded:
    return padded[0].to(device), padded[1].to(device)
