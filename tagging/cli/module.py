"""What the commands that a package has of its own, `python -m PACKAGE COMMAND`, share."""

import argparse
from collections.abc import Sequence

from tagging.cli.console import configure_output, errors_in_one_line


def run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> None:
    """Call the function that the asked command has as its default `run` with what was asked; None: of sys.argv."""
    asked = parser.parse_args(arguments)
    configure_output()
    with errors_in_one_line():
        asked.run(asked)


def at_least_one(text: str) -> int:
    """For `type`: a whole number that is not below 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
