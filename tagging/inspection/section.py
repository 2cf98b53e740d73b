"""Section of a terminal view: plain values, which the command line prints."""

from dataclasses import dataclass

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the view: a heading, sentences, and a table whose rows have equal keys."""

    title: str
    lines: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
