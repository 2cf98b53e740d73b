"""Everyday subjects: a word list written for this project, which completes the vocabulary of the label lists.

The label lists name things and actions as data sets do ("bicycle", "assembling bicycle"); people search for bike, tyre,
review and highlights as well. Each line of everyday.txt is a name and other spellings of it, separated by semicolons.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tagging.text.normalise import normalise
from tagging.tools.starter.vocabulary import Entry

EVERYDAY = Path(__file__).with_name("everyday.txt")


def read_everyday(path: Path = EVERYDAY) -> list[tuple[str, ...]]:
    """Return the spellings of each subject, its name first."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [tuple(map(str.strip, line.split(";"))) for line in lines if line and not line.startswith("#")]


def with_everyday(entries: Sequence[Entry], subjects: Sequence[Sequence[str]]) -> list[Entry]:
    """Return the entries with the subjects that they lack, at the end, and with new spellings of those they have.

    A subject belongs to the entry that has one of its spellings, the name's before the others'. A spelling that an
    entry or an earlier subject has keeps its meaning.
    """
    completed = list(entries)
    rows = {normalise(form): row for row, entry in enumerate(entries) for form in (*entry.aliases, entry.name)}
    for spellings in subjects:
        row = next((rows[form] for form in map(normalise, spellings) if form in rows), None)
        new = [form for form in spellings if normalise(form) not in rows]
        if row is None:
            row = len(completed)
            completed.append(Entry(new[0], tuple(new[1:]), weight=0, seen=False, heard=False))
        else:
            completed[row] = replace(completed[row], aliases=(*completed[row].aliases, *new))
        rows |= {normalise(form): row for form in new}
    return completed
