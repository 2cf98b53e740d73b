"""Runs `python -m tagging.tools` in this process."""

import pytest

from tagging.tools.__main__ import main


def run_tools(*arguments: object, code: int = 0) -> None:
    """Run a command and check its exit code; pytest captures its output."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert (ended.value.code or 0) == code
