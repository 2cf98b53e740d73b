import json
import logging
import os
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from tagging.cli.console import errors_in_one_line, open_closed_streams, print_json, print_lines, print_table, progress


def test_control_characters_of_titles_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"tag": "[bold]x[/bold] [/]", "title": "a\x1b[31mred\x07\nnext"}])
    print_lines(["b\x1b]0;owned\x07"])
    out = capsys.readouterr().out
    assert "[bold]x[/bold] [/]" in out
    assert "a�[31mred��next" in out
    assert "\x1b" not in out
    print_lines(["👩‍🚀　می‌خواهم\u00a0e\u0301"])
    assert capsys.readouterr().out == "👩‍🚀　می‌خواهم\u00a0e\u0301\n"
    assert "\x07" not in out


def test_a_table_in_a_file_keeps_every_row_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"name": "x" * 500, "count": 1234, "nothing": None, "share": 0.25}], title="Long")
    blank, title, header, row = capsys.readouterr().out.splitlines()
    assert (blank, title) == ("", "Long")
    assert header.split() == ["name", "count", "nothing", "share"]
    assert row.split() == ["x" * 500, "1,234", "0.25"]


def test_json_is_complete_and_keeps_every_script(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "ロック\n\x1b", "tags": []}
    print_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert "ロック" in out


def test_progress_without_a_terminal_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress().track("encode", 3) as advance:
        advance(2)
        advance(1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("encode: 3 in ")


def test_output_to_a_stream_that_the_caller_closed_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)  # as Python does for `>&-`
    monkeypatch.setattr("sys.stderr", None)
    open_closed_streams()
    assert [stream.name for stream in (sys.stdout, sys.stderr)] == [os.devnull] * 2
    with sys.stdout, sys.stderr:
        print_table([{"tag": "guitar"}])
        print_json({})
        with progress().track("encode", 1) as advance:
            advance(1)


@pytest.mark.parametrize("allocate", [lambda: np.empty(2**59), lambda: torch.empty(2**59)])
def test_memory_that_cannot_be_had_is_one_line(
    allocate: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"), errors_in_one_line():
        allocate()
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: out of memory: ")
    assert "--config" in hint


def test_another_runtime_error_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="broken"), errors_in_one_line():
        raise RuntimeError("broken")


def test_only_the_entry_point_configures_the_terminal() -> None:
    assert not logging.getLogger("tagging").handlers
