"""Proposed aliases on disk: a CSV whose column `accept` an editor fills in, and what was accepted in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from tagging.bundle.files import read_manifest
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.errors import InvalidAliasesError
from tagging.maintenance.review_table import accepted_rows, write_table
from tagging.tags.alias_proposals import AliasRule, Proposal, propose
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import build_graph
from tagging.text import normalise

DECISION = ("accept", "tag", "alias")  # the columns that are read
EVIDENCE = tuple(field.name for field in fields(Proposal) if field.name not in DECISION)


def write_alias_table(path: Path, proposals: Iterable[Proposal], rule: AliasRule) -> None:
    """One row a proposal. Where the rule says yes, `accept` says so already and `by` says that it was the rule."""
    write_table(path, DECISION, EVIDENCE, proposals, rule.accepts)


def read_accepted_aliases(path: Path) -> dict[str, str]:
    """Normalised alias -> normalised tag of the accepted rows; a chain leads to its last tag.

    Raises InvalidAliasesError for a file that is no such table, an alias of two tags, and aliases in a circle.
    """
    accepted: dict[str, str] = {}
    for place, row in accepted_rows(path, DECISION, InvalidAliasesError, "tags aliases"):
        tag, alias = normalise(row["tag"]), normalise(row["alias"])
        if not tag or not alias:
            raise InvalidAliasesError(f"{place}: an accepted row needs a tag and an alias")
        if accepted.setdefault(alias, tag) != tag:
            named = f"{alias!r} is made an alias of {accepted[alias]!r} and of {tag!r}"
            raise InvalidAliasesError(f"{place}: {named}", "accept one of the two")
    return {alias: _end(path, accepted, alias) for alias in accepted}


def require_known(path: Path, aliases: Mapping[str, str], tags_of_videos: Iterable[Sequence[str]]) -> None:
    """Every name that `read_accepted_aliases` found in `path` is a tag of some video, or InvalidAliasesError."""
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


def propose_bundle_aliases(bundle: Path) -> list[Proposal]:
    """The proposals of a bundle's catalog; raises ArtifactError for a bundle that is missing or damaged."""
    read_manifest(bundle)
    catalog, labelled = TagCatalog.load(bundle / "catalog.parquet"), LabelledVideos.load(bundle / "videos.parquet")
    uploaders = labelled.uploader_numbers()
    graph = build_graph(labelled.tags, len(catalog), uploaders)
    return propose(catalog, labelled.tags, uploaders, labelled.titles, graph)
