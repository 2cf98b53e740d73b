"""Training checkpoints of the ranker: a killed training resumes to bit-identical weights."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tagging.errors import ArtifactCorruptError
from tagging.files.atomic import atomic_file, require_file

logger = logging.getLogger(__name__)


def save(file: Path, run: str, step: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write a checkpoint atomically; run: identifies the training and its data; step: the next one."""
    state = {"run": run, "step": step, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
    with atomic_file(file) as partial:
        torch.save(state, partial)


def require_checkpoint(file: Path) -> None:
    """Check a checkpoint file before hours of work depend on it.

    Raises ArtifactCorruptError if the file exists but is not a checkpoint, OutputUnwritableError if it is unwritable.
    """
    require_file(file)
    _read(file)


def restore(file: Path | None, run: str, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load a checkpoint into network and optimizer and return the next step; 0 without a checkpoint of this run.

    Raises ArtifactCorruptError if the file is not a checkpoint.
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
    except Exception as error:  # a folder, a truncated or foreign file: pickle, zip, torch, Python raise their own
        raise _no_checkpoint(file) from error
    if missing:
        raise _no_checkpoint(file)
    return state


def _no_checkpoint(file: Path) -> ArtifactCorruptError:
    return ArtifactCorruptError(f"{file} is no checkpoint of a ranker's training", "remove it, or name another file")
