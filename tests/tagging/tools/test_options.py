"""Developer commands: the program, and options that several of them share."""

import subprocess
import sys

import pytest
import typer

from tagging.tools.options import one_of
from tests.support.tools import run_tools


def test_the_commands_are_a_program() -> None:
    command = [sys.executable, "-m", "tagging.tools", "starter", "propose", "--clips"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such option" in done.stderr


@pytest.mark.parametrize("count", ["0", "-1", "some"])
def test_a_count_below_one_is_invalid_usage(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_tools("benchmarks", "index-backends", "a-bundle", "--backend", "flat", "--rows", count, code=2)
    assert "--rows" in capsys.readouterr().err


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    parse = one_of(["flat", "faiss"])
    assert parse("flat") == "flat"
    with pytest.raises(typer.BadParameter, match="'tree' is not one of flat, faiss"):
        parse("tree")
