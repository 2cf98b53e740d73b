"""Processes that train together by torch's DistributedDataParallel, on GPUs one each.

All draw the same videos and negatives for a step. Each encodes its share, hears the others' vectors, and computes the
same loss; gradients are those of its own share, which DistributedDataParallel joins. So a step of many processes is the
step of one, but for what dropout draws.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from tagging.config.rank import RankerConfig
from tagging.errors import InvalidConfigError, VideotagError
from tagging.progress import Progress, Silent
from tagging.torch_tools import torch_device

PATIENCE = timedelta(minutes=10)  # with a process that does not answer
LEAVING_S = 10.0

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a configuration means on this machine."""

    device: str
    processes: int
    bfloat16: bool

    def __str__(self) -> str:
        return f"{self.processes} × {self.device} in {'bfloat16' if self.bfloat16 else 'float32'}"

    @classmethod
    def of(cls, config: RankerConfig) -> "Hardware":
        """Raises InvalidConfigError where this machine has no GPU, or fewer than processes."""
        device = torch_device(config.device, "rank.ranker.device")
        gpus = torch.cuda.device_count() if device == "cuda" else 0
        processes = config.processes or max(1, gpus)
        if gpus and processes > gpus:
            raise InvalidConfigError(
                f"rank.ranker.processes is {processes}, and torch sees {gpus} GPUs", "leave it out to take all of them"
            )
        is_fast = bool(gpus) and torch.cuda.is_bf16_supported()
        return cls(device, processes, config.precision == "bfloat16" or (config.precision == "auto" and is_fast))


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes."""

    rank: int
    size: int
    device: torch.device

    def model(self, network: nn.Module) -> nn.Module:
        if self.size == 1:
            return network
        return DistributedDataParallel(network)

    def share(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of this process; all have equally many, so that the last ones repeat the last row."""
        each = -(-len(rows) // self.size)
        places = np.arange(self.rank * each, (self.rank + 1) * each)
        return rows[np.minimum(places, len(rows) - 1)]

    def gather(self, mine: Tensor, count: int) -> Tensor:
        """(count, D) of all processes from each one's share (n, D), those that repeat left out.

        A gradient goes to this process's own share alone, times the processes, of which the mean is taken later.
        """
        if self.size == 1:
            return mine
        shares = [torch.empty_like(mine) for _ in range(self.size)]
        distributed.all_gather(shares, mine.detach())
        mine.register_hook(lambda gradient: gradient * self.size)  # type: ignore[no-untyped-call]
        shares[self.rank] = mine
        return torch.cat(shares)[:count]


def run_distributed(
    work: Callable[[Worker, Task, Progress], Result], hardware: Hardware, task: Task, progress: Progress
) -> Result:
    """What work(team, task, progress) returns here, while the other processes do the same, and show no progress.

    work, task: picklable. Raises VideotagError where another process died.
    """
    if hardware.processes == 1:
        return work(_member(0, hardware), task, progress)
    with tempfile.TemporaryDirectory(prefix="videotag-team-") as folder:
        context = multiprocessing.get_context("spawn")
        meeting = Path(folder) / "store"
        others = [
            context.Process(target=_follow, args=(rank, hardware, meeting, work, task), daemon=True)
            for rank in range(1, hardware.processes)
        ]
        for other in others:
            other.start()
        try:
            with _joined(0, hardware, meeting) as team:
                return work(team, task, progress)
        except RuntimeError as error:  # a collective whose other end is gone
            for other in others:
                other.join(LEAVING_S)
            if dead := [other.exitcode for other in others if other.exitcode]:
                raise VideotagError(
                    f"{len(dead)} of {hardware.processes} training processes died, exit code {dead[0]}",
                    "it told why above, unless it was killed for memory; fewer rank.ranker.processes need less of it",
                ) from error
            raise
        finally:
            for other in others:
                other.join(LEAVING_S)
                other.terminate()


def _follow(
    rank: int, hardware: Hardware, meeting: Path, work: Callable[[Worker, Task, Progress], object], task: Task
) -> None:
    if hardware.device == "cpu":  # or each takes every core
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // hardware.processes))
    with _joined(rank, hardware, meeting) as team:
        work(team, task, Silent())


@contextmanager
def _joined(rank: int, hardware: Hardware, meeting: Path) -> Iterator[Worker]:
    team = _member(rank, hardware)
    distributed.init_process_group(
        "nccl" if hardware.device == "cuda" else "gloo",
        store=distributed.FileStore(str(meeting), hardware.processes),  # type: ignore[attr-defined]
        rank=rank,
        world_size=hardware.processes,
        timeout=PATIENCE,
    )
    try:
        yield team
    finally:
        distributed.destroy_process_group()


def _member(rank: int, hardware: Hardware) -> Worker:
    if hardware.device == "cuda":
        torch.cuda.set_device(rank)
        return Worker(rank, hardware.processes, torch.device("cuda", rank))
    return Worker(rank, hardware.processes, torch.device("cpu"))
