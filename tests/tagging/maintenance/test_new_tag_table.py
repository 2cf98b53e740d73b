"""Review tables opened in a spreadsheet."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from tagging.maintenance.new_tag_table import read_accepted_tags, write_new_tag_table
from tagging.tags.new_tag_proposals import PromotionRule
from tests.support.new_tags import PROPOSAL


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@here", "'=1", "'tis", "''", "plain", "a=b"])
def test_names_are_escaped_from_spreadsheets_and_read_back_unchanged(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new.csv"
    write_new_tag_table(path, [replace(PROPOSAL, tag=name, videos=9, uploaders=9, confidence=0.9)], PromotionRule())
    with path.open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert read_accepted_tags(path) == [name]
