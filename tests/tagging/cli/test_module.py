import argparse

import pytest

from tagging.cli.module import at_least_one, run
from tagging.errors import VideotagError


def parser() -> argparse.ArgumentParser:
    def fail(asked: argparse.Namespace) -> None:
        raise VideotagError(f"{asked.count} is no good", "try another")

    parser = argparse.ArgumentParser()
    one = parser.add_subparsers(required=True).add_parser("fail")
    one.add_argument("--count", type=at_least_one, default=1)
    one.set_defaults(run=fail)
    return parser


def test_a_command_that_fails_says_so_in_one_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(parser(), ["fail", "--count", "3"])
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: 3 is no good\nhint: try another\n"


@pytest.mark.parametrize("count", ["0", "-1", "some"])
def test_a_count_that_is_none_is_wrong_usage(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(parser(), ["fail", f"--count={count}"])
    assert stopped.value.code == 2
    assert "--count" in capsys.readouterr().err
