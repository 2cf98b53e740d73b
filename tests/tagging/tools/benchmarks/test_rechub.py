"""GRU4Rec and SASRec of torch-rechub: padding and later videos change no state, and a planted order is found."""

import sys

import numpy as np
import pytest
import torch

from tagging.config.recommendation import SequenceTraining
from tagging.errors import MissingPackageError
from tagging.progress import Silent
from tagging.recommendation.measures import recommended
from tagging.recommendation.split import divide
from tagging.tools.benchmarks.rechub import Gru4Rec, SasRec, train_rechub
from tests.support.watching import VIDEOS, group_of, walks

pytest.importorskip("torch_rechub", reason="the extra benchmarks is not installed")

KINDS = (Gru4Rec, SasRec)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_later_videos_change_no_state(kind: type[Gru4Rec | SasRec]) -> None:
    torch.manual_seed(1)
    network = kind(20, 4).eval().requires_grad_(False)
    states = network.states(torch.tensor([[3, 9, 4, 1], [7, 2, 0, 0], [5, 0, 0, 0]]))
    assert states.shape[:2] == (3, 4)
    for row, videos in enumerate(([3, 9, 4, 1], [7, 2], [5])):
        for length in range(1, len(videos) + 1):
            alone = network.states(torch.tensor([videos[:length]]))
            assert alone.shape[:2] == (1, length)
            torch.testing.assert_close(states[row, length - 1], alone[0, -1], atol=1e-5, rtol=1e-4)
    swapped = network.states(torch.tensor([[9, 3, 4, 1]]))
    assert (swapped[0, -1] - states[0, 3]).abs().max() > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_video_is_found_in_order(kind: type[Gru4Rec | SasRec]) -> None:
    division = divide(walks(), VIDEOS, "last", "test", 1)
    config = SequenceTraining(history=8, epochs=12, batch=256, negatives=40, rate=0.02)
    model = train_rechub(kind, division.training, VIDEOS, config, Silent())
    found = recommended(model, division.cases, top=1)[:, 0]
    targets = division.cases.targets
    right = [group_of(int(video)) == group_of(int(target)) for video, target in zip(found, targets, strict=True)]
    assert np.mean(right) > 0.8


def test_two_networks_of_a_kind_share_no_table() -> None:
    first, second = SasRec(20, 4), SasRec(20, 4)
    rows = torch.arange(1, 21)
    assert not torch.equal(first.vectors(rows), second.vectors(rows))


def test_a_missing_library_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_rechub", None)
    with pytest.raises(MissingPackageError, match="torch-rechub"):
        train_rechub(SasRec, walks(20), VIDEOS, SequenceTraining(), Silent())


def test_padding_does_not_change_the_batch_statistics_of_gru4rec() -> None:
    torch.manual_seed(2)
    network = Gru4Rec(20, 4)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    rows = torch.tensor([[3, 9], [7, 2], [5, 1]])
    longer = torch.nn.functional.pad(rows, (0, 2))
    torch.testing.assert_close(network.states(longer)[:, :2], network.states(rows))
