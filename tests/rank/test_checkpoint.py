"""A checkpoint that is none is one clear error."""

from pathlib import Path

import pytest
import torch

from rank.towers import Towers
from rank.train import _restore
from tagging.config import TowersConfig
from tagging.errors import ArtifactCorruptError
from tests.rank.tiny import tiny_bert


@pytest.mark.parametrize("kind", ["junk", "empty", "folder", "other"])
def test_what_is_no_checkpoint_is_named(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "c.pt"
    if kind == "folder":
        place.mkdir()
    elif kind == "other":
        torch.save([1, 2], place)
    else:
        place.write_bytes(b"junk" if kind == "junk" else b"")
    towers = Towers(tiny_bert(), {}, 0, TowersConfig(width=16, clusters=2, groups=1))
    with pytest.raises(ArtifactCorruptError, match="no checkpoint"):
        _restore(place, "run", towers, torch.optim.AdamW(towers.parameters()))
