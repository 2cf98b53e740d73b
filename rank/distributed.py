"""Data-parallel training with torch's DistributedDataParallel: several processes, one GPU each.

All processes draw the same videos and negatives for a step. Each encodes its share, gathers the vectors of the others
and computes the same loss; it propagates the gradients of its own share, and DistributedDataParallel averages them. So
a step of many processes equals the step of one, except for dropout.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, multiprocessing, nn
from torch.distributed import FileStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import Store
from torch.nn.parallel import DistributedDataParallel

from tagging.config.rank import RankerConfig
from tagging.errors import InvalidConfigError, VideotagError
from tagging.progress import Progress, Silent
from tagging.torch_tools import torch_device

TIMEOUT = timedelta(minutes=10)  # for a process that does not respond
EXIT_TIMEOUT_S = 10.0
CHECK_EVERY = timedelta(seconds=1)  # for processes that died before they joined

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Hardware:
    """Device, number of processes and precision of a training on this machine."""

    device: str
    processes: int
    bfloat16: bool

    def __str__(self) -> str:
        return f"{self.processes} × {self.device} in {'bfloat16' if self.bfloat16 else 'float32'}"

    @classmethod
    def of(cls, config: RankerConfig) -> "Hardware":
        """Resolve a configuration. Raises InvalidConfigError if this machine lacks the GPUs that it requires."""
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
    """One of the training processes."""

    rank: int
    size: int
    device: torch.device

    def model(self, network: nn.Module) -> nn.Module:
        if self.size == 1:
            return network
        return DistributedDataParallel(network)

    def share(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of this process. All processes have equally many, so the last row may repeat."""
        each = -(-len(rows) // self.size)
        positions = np.arange(self.rank * each, (self.rank + 1) * each)
        return rows[np.minimum(positions, len(rows) - 1)]

    def gather(self, own: Tensor, count: int) -> Tensor:
        """Return the (count, D) rows of all processes, given this one's share (n, D), without the repeated rows.

        Gradients flow into this process's share only, multiplied by the number of processes, because
        DistributedDataParallel averages over them later.
        """
        if self.size == 1:
            return own
        shares = [torch.empty_like(own) for _ in range(self.size)]
        distributed.all_gather(shares, own.detach())
        own.register_hook(lambda gradient: gradient * self.size)  # type: ignore[no-untyped-call]
        shares[self.rank] = own
        return torch.cat(shares)[:count]


def run_distributed(
    work: Callable[[Worker, Task, Progress], Result], hardware: Hardware, task: Task, progress: Progress
) -> Result:
    """Run work(worker, task, progress) in every process and return the result of this one, which alone shows progress.

    work, task: picklable. Raises VideotagError if another process died.
    """
    if hardware.processes == 1:
        return work(_member(0, hardware), task, progress)
    with tempfile.TemporaryDirectory(prefix="videotag-team-") as folder:
        context = multiprocessing.get_context("spawn")
        path = Path(folder) / "store"
        others = [
            context.Process(target=_follow, args=(rank, hardware, path, work, task), daemon=True)
            for rank in range(1, hardware.processes)
        ]
        for other in others:
            other.start()
        try:
            with ExitStack() as group, _deaths_reported(others):
                store = _store(path, hardware)
                _await_others(store, others)
                return work(group.enter_context(_joined(0, hardware, store)), task, progress)
        finally:
            for other in others:
                other.join(EXIT_TIMEOUT_S)
                other.terminate()


@contextmanager
def _deaths_reported(others: Sequence[SpawnProcess]) -> Iterator[None]:
    """Raise VideotagError in place of a RuntimeError, such as of a collective operation, if another process has died.

    It ends before the group does: without the group, others would die of a failure of this process.
    """
    try:
        yield
    except RuntimeError as error:
        ended = connection.wait([other.sentinel for other in others], EXIT_TIMEOUT_S)
        for other in others:
            if other.sentinel in ended:
                other.join(EXIT_TIMEOUT_S)  # a sentinel closes shortly before there is an exit code
        if dead := [other.exitcode for other in others if other.exitcode]:
            raise VideotagError(
                f"{len(dead)} of {len(others) + 1} training processes died, exit code {dead[0]}",
                "see its error above; without one it ran out of memory, which fewer rank.ranker.processes save",
            ) from error
        raise


def _await_others(store: Store, others: Sequence[SpawnProcess]) -> None:
    """Wait until all others are ready to join. Raises RuntimeError if one of them ended before.

    torch itself would wait for the time limit, and after a failure to join it can form no group in this process again.
    """
    for rank, other in enumerate(others, start=1):
        while not store.check([_ready(rank)]):
            if other.exitcode is not None:
                raise RuntimeError(f"training process {rank} ended before it joined")
            with suppress(RuntimeError):  # the time limit of this wait
                store.wait([_ready(rank)], CHECK_EVERY)


def _ready(rank: int) -> str:
    return f"ready/{rank}"


def _follow(
    rank: int, hardware: Hardware, path: Path, work: Callable[[Worker, Task, Progress], object], task: Task
) -> None:
    if hardware.device == "cpu":  # otherwise each process uses every core
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // hardware.processes))
    store = _store(path, hardware)
    store.set(_ready(rank), "")
    with _joined(rank, hardware, store) as worker:
        work(worker, task, Silent())


def _store(path: Path, hardware: Hardware) -> Store:
    return FileStore(str(path), hardware.processes)


@contextmanager
def _joined(rank: int, hardware: Hardware, store: Store) -> Iterator[Worker]:
    worker = _member(rank, hardware)
    distributed.init_process_group(
        "nccl" if hardware.device == "cuda" else "gloo",
        store=store,
        rank=rank,
        world_size=hardware.processes,
        timeout=TIMEOUT,
    )
    try:
        yield worker
    finally:
        distributed.destroy_process_group()


def _member(rank: int, hardware: Hardware) -> Worker:
    if hardware.device == "cuda":
        torch.cuda.set_device(rank)
        return Worker(rank, hardware.processes, torch.device("cuda", rank))
    return Worker(rank, hardware.processes, torch.device("cpu"))
