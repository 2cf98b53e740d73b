"""Ablation of the readers on clips."""

from collections.abc import Collection
from pathlib import Path

import pytest

from tagging.progress import Silent
from tagging.tools.starter import ablation
from tagging.tools.starter.ablation import ablate_readers
from tagging.tools.starter.clips import NamedClip
from tagging.types import PassageSource


def test_each_variant_counts_its_own_tags_and_the_clips_that_differ_from_everything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def tagged(*arguments: object) -> list[NamedClip]:
        without: Collection[PassageSource] = arguments[-1]  # type: ignore[assignment]
        sale = () if "screen" in without else ("sale",)
        hockey = () if "speech" in without else ("ice hockey",)
        return [
            NamedClip("shop.mp4", "a sale", (*sale, "shoe"), len(sale)),
            NamedClip("game.mp4", "hockey", (*hockey, "ice"), len(hockey)),
        ]

    monkeypatch.setattr(ablation, "name_clips", tagged)
    rows = ablate_readers(tmp_path, {}, tmp_path, Silent())
    counts = {
        row.read: (row.clips, row.clips_that_agree, row.tags, row.tags_that_agree, row.clips_changed) for row in rows
    }
    assert counts == {
        "everything": (2, 2, 4, 2, 0),
        "without speech": (2, 1, 3, 1, 1),
        "without text on the screen": (2, 1, 3, 1, 1),
        "without both": (2, 0, 2, 0, 2),
    }
