"""A training that was killed goes on from its checkpoint, bit for bit."""

from pathlib import Path

import torch
from torch import nn

from tagging.errors import ArtifactCorruptError
from tagging.store.atomic import partial_file


def save(file: Path, run: str, step: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """run: tells this training from any other; step: that comes next."""
    state = {"run": run, "step": step, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
    with partial_file(file) as partial:
        torch.save(state, partial)


def restore(file: Path | None, run: str, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """The step to go on with; 0 where there is no checkpoint of this very run.

    Raises ArtifactCorruptError for a file that no training wrote.
    """
    if file is None or not file.exists():
        return 0
    try:
        state = torch.load(file, "cpu", weights_only=True)
        is_of_this_run = state["run"] == run
    except Exception as error:  # a folder, a torn file, another's file: pickle, zip, torch and Python raise their own
        raise ArtifactCorruptError(
            f"{file} is no checkpoint of a ranker's training", "remove it, or name another file"
        ) from error
    if not is_of_this_run:
        return 0
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
