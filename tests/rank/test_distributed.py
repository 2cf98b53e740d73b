"""Data-parallel training on two processes, and the hardware that a configuration resolves to."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from torch import distributed, nn

from rank import train
from rank.distributed import Hardware, Worker, run_distributed
from rank.train import train_ranker
from tagging.bert import Bert
from tagging.config.rank import RankerConfig
from tagging.errors import InvalidConfigError, VideotagError
from tagging.progress import Advance, Progress, Silent
from tests.support.ranker_data import CONFIG, LONG, Counting, cosines_of, same, share_above, toy, trained
from tests.support.tiny_bert import tiny_bert

CPU = torch.device("cpu")
TWO = Hardware("cpu", 2, bfloat16=False)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [4096, 3])
def test_two_processes_train_what_one_trains(at_once: int) -> None:
    plain = CONFIG.model_copy(
        update={
            "towers": CONFIG.towers.model_copy(update={"dropout": 0.0}), "view_dropout": 0.0, "graph_dropout": 0.0,
            "least_steps": 5, "at_once": at_once, "batch": 15,  # one process has eight videos, the other seven
        }
    )  # fmt: skip
    toys, bert = toy(40, seed=1), without_dropout(tiny_bert())
    configs = [plain.model_copy(update={"processes": count}) for count in (1, 2)]
    single, two = (train_ranker(toys.data, toys.negatives(config), bert, config, 7, Silent()) for config in configs)
    assert single.bert is not None
    assert not same(single.bert, bert)
    # Compare cosines, not weights: for weights without effect (the bias of keys) Adam turns rounding into full steps.
    before = cosines_of(trained(toys, plain.model_copy(update={"rate": 1e-9, "bert_rate": 1e-9})), toys.data)
    mine, theirs = cosines_of(single, toys.data), cosines_of(two, toys.data)
    assert np.abs(mine - before).max() > 0.1
    np.testing.assert_allclose(mine, theirs, atol=1e-3)


def without_dropout(bert: Bert) -> Bert:
    for module in bert.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    return bert


class Copying(Silent):
    """Progress that copies a file after some steps: what a kill would leave at that moment."""

    def __init__(self, file: Path, copy: Path, after: int) -> None:
        self._file, self._copy, self._after = file, copy, after

    @contextmanager
    def track(self, label: str, total: int | None) -> Iterator[Advance]:
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            if done == self._after:
                shutil.copyfile(self._file, self._copy)

        yield advance


@pytest.mark.slow
def test_a_training_of_two_processes_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    config = CONFIG.model_copy(update={"processes": 2})
    toys, left = toy(40, seed=1), tmp_path / "left.pt"
    whole = trained(toys, config, progress=Copying(tmp_path / "whole.pt", left, 5), checkpoint=tmp_path / "whole.pt")
    progress = Counting()
    resumed = trained(toys, config, progress=progress, checkpoint=left)
    assert progress.calls == [3, *(8 - 3) * [1]]
    assert same(whole, resumed)


def _dies(team: Worker, task: Any, progress: Progress) -> None:
    distributed.all_reduce(torch.zeros(1))  # or the first process may still be joining
    if team.rank == 1:
        os._exit(task)
    distributed.all_reduce(torch.zeros(1))


class Deadly:
    """A task that ends the process in which it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[int], NoReturn], tuple[int]]:
        return os._exit, (3,)


@pytest.mark.slow
@pytest.mark.parametrize("task", [3, Deadly()], ids=["while it trains", "before it joins"])
def test_a_process_that_dies_is_a_domain_error(task: int | Deadly) -> None:
    with pytest.raises(VideotagError, match="1 of 2 training processes died, exit code 3"):
        run_distributed(_dies, TWO, task, Silent())


def _fails_here(team: Worker, task: str, progress: Progress) -> None:
    if team.rank == 0:
        raise RuntimeError(task)
    distributed.all_reduce(torch.zeros(1))  # waits for the first process


def test_a_failure_of_the_first_process_is_raised_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rank.distributed.EXIT_TIMEOUT_S", 0.1)
    with pytest.raises(RuntimeError, match=r"^out of memory$"):
        run_distributed(_fails_here, TWO, "out of memory", Silent())


def _told(team: Worker, task: int, progress: Progress) -> tuple[list[float], list[float]]:
    """Return what each process gathers from the others, and the gradient of its own share."""
    mine = torch.full((3, 1), float(team.rank + 1), requires_grad=True)
    gathered = team.gather(mine, task)
    (gathered * torch.arange(1.0, task + 1)[:, None]).sum().backward()  # type: ignore[no-untyped-call]
    assert mine.grad is not None
    return gathered.flatten().tolist(), mine.grad.flatten().tolist()


def test_all_shares_are_gathered_and_gradients_flow_into_the_own_share() -> None:
    gathered, gradient = run_distributed(_told, TWO, 5, Silent())
    assert gathered == [1, 1, 1, 2, 2]
    assert gradient == [2 * 1, 2 * 2, 2 * 3]  # times the processes, of which the mean is taken


@pytest.mark.parametrize(("rows", "size"), [(7, 1), (8, 2), (7, 2), (5, 4), (1, 3)])
def test_shares_have_equal_length_and_cover_every_row(rows: int, size: int) -> None:
    everything = np.arange(10, 10 + rows)
    shares = [Worker(rank, size, CPU).share(everything) for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    assert np.array_equal(np.concatenate(shares)[:rows], everything)


@pytest.mark.slow
def test_bfloat16_trains_float32_weights_that_tell_tags_apart() -> None:
    toys, fresh = toy(120, seed=1), toy(60, seed=2)
    mixed = LONG.model_copy(update={"precision": "bfloat16"})
    towers = trained(toys, mixed)
    assert {value.dtype for value in towers.state_dict().values()} == {torch.float32}
    assert share_above(cosines_of(towers, fresh.data), fresh.known.toarray()) > 0.9
    few_steps = CONFIG.model_copy(update={"precision": "bfloat16"})
    again = trained(toys, few_steps)
    assert same(again, trained(toys, few_steps))
    assert not same(again, trained(toys, CONFIG))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_trains_towers_that_tell_tags_apart(precision: str) -> None:
    toys, fresh = toy(120, seed=1), toy(60, seed=2)
    towers = trained(toys, LONG.model_copy(update={"device": "cuda", "processes": 1, "precision": precision}))
    assert towers.device.type == "cuda"
    assert share_above(cosines_of(towers.cpu(), fresh.data), fresh.known.toarray()) > 0.9


def test_without_a_gpu_one_process_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Hardware.of(RankerConfig()) == Hardware("cpu", 1, bfloat16=False)
    assert Hardware.of(RankerConfig(processes=3, precision="bfloat16")) == Hardware("cpu", 3, bfloat16=True)
    with pytest.raises(InvalidConfigError, match=r"rank\.ranker\.device is cuda, but torch sees no CUDA device"):
        Hardware.of(RankerConfig(device="cuda"))


def test_all_gpus_are_taken_unless_the_configuration_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert Hardware.of(RankerConfig()) == Hardware("cuda", 4, bfloat16=True)
    assert Hardware.of(RankerConfig(processes=2, precision="float32")) == Hardware("cuda", 2, bfloat16=False)
    assert Hardware.of(RankerConfig(device="cpu")) == Hardware("cpu", 1, bfloat16=False)
    with pytest.raises(InvalidConfigError, match=r"rank\.ranker\.processes is 5, and torch sees 4 GPUs"):
        Hardware.of(RankerConfig(processes=5))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert Hardware.of(RankerConfig()) == Hardware("cuda", 4, bfloat16=False)
