"""A training that was killed goes on from its checkpoint, bit for bit."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tagging.errors import ArtifactCorruptError
from tagging.files.atomic import atomic_file, require_file

logger = logging.getLogger(__name__)


def save(file: Path, run: str, step: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """run: tells this training from any other; step: that comes next."""
    state = {"run": run, "step": step, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
    with atomic_file(file) as partial:
        torch.save(state, partial)


def require_checkpoint(file: Path) -> None:
    """Called before the work that leads to a training: where there is a file, it is one that a training wrote.

    Raises ArtifactCorruptError, or OutputUnwritableError where none can be written.
    """
    require_file(file)
    _read(file)


def restore(file: Path | None, run: str, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """The step to go on with; 0 where there is no checkpoint of this very run.

    Raises ArtifactCorruptError for a file that no training wrote.
    """
    state = _read(file) if file is not None else None
    if state is None:
        return 0
    if state["run"] != run:
        logger.warning("%s is of another training, or of other data; it will be written over", file)
        return 0
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _read(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(file, "cpu", weights_only=True)
        missing = {"run", "step", "network", "optimizer"} - state.keys()
    except Exception as error:  # a folder, a torn file, another's file: pickle, zip, torch and Python raise their own
        raise _no_checkpoint(file) from error
    if missing:
        raise _no_checkpoint(file)
    return state


def _no_checkpoint(file: Path) -> ArtifactCorruptError:
    return ArtifactCorruptError(f"{file} is no checkpoint of a ranker's training", "remove it, or name another file")
