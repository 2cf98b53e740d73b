"""Running the command line: in this process, or as the installed program where a process is the point."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from typer.testing import CliRunner

from tagging.cli.console import errors_in_one_line
from tagging.cli.main import app

VIDEOTAG = Path(sys.executable).parent / "videotag"

Completed = subprocess.CompletedProcess[str]


def run(*args: object, home: Path | None = None) -> Completed:
    """Run `videotag ARGS` in this process, and return its exit code and output as a process would have them.

    home: VIDEOTAG_HOME during the call
    """
    arguments = [str(argument) for argument in args]
    environment = {"VIDEOTAG_HOME": str(home)} if home else None
    with CliRunner().isolation(env=environment) as (stdout, stderr, _):
        code = _exit_code(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        return Completed(arguments, code, stdout.getvalue().decode(), stderr.getvalue().decode())


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        with errors_in_one_line():
            app(arguments, prog_name="videotag")
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def run_program(*args: object, home: Path | None = None) -> Completed:
    """Run the installed `videotag` as a process of its own. It imports for seconds: use it for few tests."""
    environment = {**os.environ, "VIDEOTAG_HOME": str(home)} if home else None
    return subprocess.run(
        [str(VIDEOTAG), *map(str, args)], capture_output=True, text=True, env=environment, timeout=250, check=False
    )


def error_lines(result: Completed) -> list[str]:
    """Return the lines of a known error: exit code 1, nothing on stdout, no traceback."""
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
