"""Proposed aliases on disk: a CSV whose column `accept` an editor fills in, and what was accepted in it."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from tagging.aliases import AliasRule, Proposal
from tagging.errors import InvalidAliasesError, OutputExistsError
from tagging.store.atomic import whole_text_file
from tagging.words import normalise

DECISION = ("accept", "tag", "alias")  # the columns that are read
EVIDENCE = tuple(field.name for field in fields(Proposal) if field.name not in DECISION)


def require_no_table(path: Path) -> None:
    """Called before the work that leads to a table: OutputExistsError where something is, maybe an editor's work."""
    if path.exists():
        raise OutputExistsError(f"{path} exists; proposals are never written over", "choose another file, or remove it")


def write_proposals(path: Path, proposals: Iterable[Proposal], rule: AliasRule) -> None:
    """One row a proposal. Where the rule says yes, `accept` says so already and `by` says that it was the rule."""
    require_no_table(path)
    with whole_text_file(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow((*DECISION, "by", *EVIDENCE))
        for proposal in proposals:
            decision = ("yes", "rule") if rule.accepts(proposal) else ("", "")
            evidence = (_cell(getattr(proposal, name)) for name in EVIDENCE)
            table.writerow((decision[0], proposal.tag, proposal.alias, decision[1], *evidence))


def read_accepted(path: Path) -> dict[str, str]:
    """Normalised alias -> normalised tag of the accepted rows; a chain leads to its last tag.

    Raises InvalidAliasesError for a file that is no such table, an alias of two tags, and aliases in a circle.
    """
    accepted: dict[str, str] = {}
    for place, row in _rows(path):
        decision = row["accept"].strip().casefold()
        if decision not in ("yes", "no", ""):
            raise InvalidAliasesError(f"{place}: accept: expected yes, no or nothing, found {row['accept']!r}")
        if decision != "yes":
            continue
        tag, alias = normalise(row["tag"]), normalise(row["alias"])
        if not tag or not alias:
            raise InvalidAliasesError(f"{place}: an accepted row needs a tag and an alias")
        if accepted.setdefault(alias, tag) != tag:
            named = f"{alias!r} is made an alias of {accepted[alias]!r} and of {tag!r}"
            raise InvalidAliasesError(f"{place}: {named}", "accept one of the two")
    return {alias: _end(path, accepted, alias) for alias in accepted}


def require_known(path: Path, aliases: Mapping[str, str], tags_of_videos: Iterable[Sequence[str]]) -> None:
    """Every name that `read_accepted` found in `path` is a tag of some video, or InvalidAliasesError."""
    known = {normalise(tag) for tags in tags_of_videos for tag in tags}
    unknown = sorted({*aliases, *aliases.values()} - known)
    if unknown:
        more = f", nor {len(unknown) - 1} more of its names" if len(unknown) > 1 else ""
        raise InvalidAliasesError(
            f"{path}: no video to learn from has the tag {unknown[0]!r}{more}",
            "correct these rows, or do not accept them",
        )


def _end(path: Path, accepted: Mapping[str, str], alias: str) -> str:
    way = [alias]
    while way[-1] in accepted:
        way.append(accepted[way[-1]])
        if way[-1] in way[:-1]:
            circle = " -> ".join(way[way.index(way[-1]) :])
            raise InvalidAliasesError(f"{path}: aliases in a circle: {circle}", "one of them has to stay a tag")
    return way[-1]


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(place, column -> cell) of each row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = next(reader, [])
            if missing := [column for column in DECISION if column not in header]:
                raise InvalidAliasesError(
                    f"{path}: no column {missing[0]!r}; found {', '.join(header) or 'no columns'}",
                    "`videotag tags aliases --out FILE` writes such a table",
                )
            for cells in reader:
                place = f"{path}: line {reader.line_num}"
                if cells and len(cells) != len(header):
                    found = f"expected {len(header)} cells as in the header, found {len(cells)}"
                    raise InvalidAliasesError(f"{place}: {found}")
                if cells:
                    yield place, dict(zip(header, cells, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidAliasesError(f"{path}: cannot be read: {error}", "expected a CSV table in UTF-8") from error


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, str):
        return " ".join(value.split())  # a title may have lines
    return round(value, 3) if isinstance(value, float) else value
