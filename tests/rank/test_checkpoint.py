"""A killed training resumes; a file that is not a checkpoint is one clear error."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy import sparse

from rank import train
from rank.checkpoint import require_checkpoint, restore
from rank.towers import Towers
from tagging.config.rank import RankerConfig, TowersConfig
from tagging.errors import ArtifactCorruptError, OutputUnwritableError
from tests.support.ranker_data import CONFIG, Counting, KilledError, Toy, same, toy, trained
from tests.support.tiny_bert import tiny_bert


@pytest.mark.parametrize("trained_layers", [0, 1])
def test_a_killed_training_resumes_to_bit_identical_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_layers: int
) -> None:
    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    towers = CONFIG.towers.model_copy(update={"trained_layers": trained_layers})
    config = CONFIG.model_copy(update={"towers": towers})
    toys = toy(40, seed=1, lower=3 - trained_layers)
    straight = trained(toys, config)
    with pytest.raises(KilledError):
        trained(toys, config, progress=Counting(dies_at=5), checkpoint=tmp_path / "training.pt")
    second = Counting()
    resumed = trained(toys, config, progress=second, checkpoint=tmp_path / "training.pt")
    assert second.calls == [3, *(8 - 3) * [1]]
    assert same(straight, resumed)
    assert [path.name for path in tmp_path.iterdir()] == ["training.pt"]


def other_config(toys: Toy) -> tuple[Toy, RankerConfig, int]:
    return toys, CONFIG.model_copy(update={"rate": 1e-3}), 7


def other_seed(toys: Toy) -> tuple[Toy, RankerConfig, int]:
    return toys, CONFIG, 8


def other_labels(toys: Toy) -> tuple[Toy, RankerConfig, int]:
    known = toys.known.toarray()
    known[0] = ~known[0]
    return replace(toys, known=sparse.csr_array(known)), CONFIG, 7


def other_frames(toys: Toy) -> tuple[Toy, RankerConfig, int]:
    frames = toys.data.media["frames"]
    other = replace(frames, values=frames.values[:, ::-1])
    return replace(toys, data=replace(toys.data, media={"frames": other})), CONFIG, 7


def one_more_modality(toys: Toy) -> tuple[Toy, RankerConfig, int]:
    frames = toys.data.media["frames"]
    return replace(toys, data=replace(toys.data, media={"frames": frames, "audio": frames})), CONFIG, 7


@pytest.mark.parametrize("change", [other_config, other_seed, other_labels, other_frames, one_more_modality])
def test_a_checkpoint_of_another_run_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Toy], tuple[Toy, RankerConfig, int]]
) -> None:
    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    toys = toy(40, seed=1)
    trained(toys, checkpoint=tmp_path / "training.pt")
    other, config, seed = change(toys)
    counting = Counting()
    fresh = trained(other, config, seed, progress=counting, checkpoint=tmp_path / "training.pt")
    assert counting.calls[0] == 0
    assert same(fresh, trained(other, config, seed))


def test_a_checkpoint_of_another_run_is_logged_before_it_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    toys, path = toy(40, seed=1), tmp_path / "training.pt"
    trained(toys, checkpoint=path)
    assert not caplog.records
    trained(toys, seed=8, checkpoint=path)
    [messages] = [record.message for record in caplog.records]
    assert messages == f"{path} is of another training, or of other data; it will be written over"


@pytest.mark.parametrize("kind", ["junk", "empty", "folder", "list", "other"])
def test_a_file_that_is_no_checkpoint_is_rejected_before_and_during_training(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    if kind == "folder":
        path.mkdir()
    elif kind in ("list", "other"):
        torch.save([1, 2] if kind == "list" else {"run": "run", "step": 3}, path)
    else:
        path.write_bytes(b"junk" if kind == "junk" else b"")
    towers = Towers(tiny_bert(), {}, 0, TowersConfig(width=16, clusters=2, groups=1))
    with pytest.raises(ArtifactCorruptError, match="no checkpoint"):
        restore(path, "run", towers, torch.optim.AdamW(towers.parameters()))
    with pytest.raises(OutputUnwritableError if kind == "folder" else ArtifactCorruptError):
        require_checkpoint(path)


def test_a_checkpoint_file_need_not_exist(tmp_path: Path) -> None:
    require_checkpoint(tmp_path / "c.pt")
    assert not list(tmp_path.iterdir())
