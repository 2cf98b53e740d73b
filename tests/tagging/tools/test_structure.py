"""The structure of a source tree, on a toy tree with figures counted by hand."""

from pathlib import Path

import pytest

from tagging.tools.structure import figures, read_modules, rooms
from tests.support.tools import run_tools

FILES = {
    "tagging/types.py": "",
    "tagging/errors.py": "",
    "tagging/store/__init__.py": "",
    "tagging/store/disk.py": "from tagging import errors\nfrom tagging.types import A\n",
    "tagging/cli/main.py": "import tagging.store.disk\n\n\ndef command(a, b):\n" + "    a = b\n" * 50,
    "tagging/service/api.py": "from tagging.service import calls\nfrom tagging.store.disk import B\n",
    "tagging/service/calls.py": "class Calls:\n    def __init__(self, a, b, *, c, d, e, f):\n        pass\n",
    "recall/merge.py": "def merge():\n    from tagging.types import A\n",
    "rank/loss.py": "import os\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_figures_agree_with_a_count_by_hand(tree: Path) -> None:
    found = {str(row["figure"]): row["value"] for row in figures(tree)}
    assert (found["modules at the top level of tagging"], found["folders at the top level of tagging"]) == (2, 3)
    assert found["rooms"] == 7  # types, errors, store, cli, service, recall, rank
    assert found["arrows"] == 5  # store: 2; cli, service, recall: 1 each
    assert found["floors"] == 3  # types < store < cli
    assert found["upward arrows"] == 0
    assert (found["service: rooms"], found["service: arrows"]) == (2, 1)
    assert found["functions over 50 lines"] == "1 (tagging.cli.main.command)"
    assert found["longest function"] == "51 lines (tagging.cli.main.command)"
    assert found["most constructor arguments"] == "6 (tagging.service.calls.Calls)"
    assert found["highest fan-out"] == "2 (tagging.service.api)"
    assert found["highest fan-in"] == "2 (tagging.store.disk)"


def test_an_import_cycle_gives_one_upward_arrow(tree: Path) -> None:
    (tree / "tagging" / "errors.py").write_text("from tagging.store.disk import B\n")
    floors, upward = rooms(read_modules(tree)).floors_and_upward()
    assert upward in ([("store", "errors")], [("errors", "store")])
    assert set(floors) == {"types", "errors", "store", "cli", "service", "recall", "rank"}


def test_the_command_prints_the_figures_of_this_tree(capsys: pytest.CaptureFixture[str]) -> None:
    run_tools("structure", "--format", "json")
    assert "upward arrows" in capsys.readouterr().out
