"""Alias review table: proposed aliases as a CSV, and the aliases that an editor accepted in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import BUNDLE
from tagging.errors import InvalidAliasesError
from tagging.maintenance.review_table import accepted_rows, write_table
from tagging.tags.alias_proposals import AliasRule, Proposal, propose
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import build_graph
from tagging.text.normalise import normalise

DECISION = ("accept", "tag", "alias")  # the columns that are read back
EVIDENCE = tuple(field.name for field in fields(Proposal) if field.name not in DECISION)


def propose_bundle_aliases(bundle: Path) -> list[Proposal]:
    """Return the alias proposals for a bundle's catalog; ArtifactError for a bundle that is missing or damaged."""
    BUNDLE.read(bundle)
    catalog, labelled = TagCatalog.load(bundle / "catalog.parquet"), LabelledVideos.load(bundle / "videos.parquet")
    uploaders = labelled.uploader_numbers()
    graph = build_graph(labelled.tags, len(catalog), uploaders)
    return propose(catalog, labelled.tags, uploaders, labelled.titles, graph)


def write_alias_table(path: Path, proposals: Iterable[Proposal], rule: AliasRule) -> None:
    """Write one row per proposal, with `accept` filled in where the rule accepts it."""
    write_table(path, DECISION, EVIDENCE, proposals, rule.accepts)


def read_accepted_aliases(path: Path) -> dict[str, str]:
    """Return normalised alias -> normalised tag of the accepted rows; a chain of aliases leads to its last tag.

    Raises InvalidAliasesError for a file that is not such a table, an alias of two tags, and a cycle of aliases.
    """
    accepted: dict[str, str] = {}
    for location, row in accepted_rows(path, DECISION, InvalidAliasesError, "tags aliases"):
        tag, alias = normalise(row["tag"]), normalise(row["alias"])
        if not tag or not alias:
            raise InvalidAliasesError(f"{location}: an accepted row needs a tag and an alias")
        if accepted.setdefault(alias, tag) != tag:
            conflict = f"{alias!r} is made an alias of {accepted[alias]!r} and of {tag!r}"
            raise InvalidAliasesError(f"{location}: {conflict}", "accept one of the two")
    return {alias: _last_tag(path, accepted, alias) for alias in accepted}


def require_known(path: Path, aliases: Mapping[str, str], tags_of_videos: Iterable[Sequence[str]]) -> None:
    """Check that every name `read_accepted_aliases` found in `path` is a tag of some video.

    Raises InvalidAliasesError.
    """
    known = {normalise(tag) for tags in tags_of_videos for tag in tags}
    unknown = sorted({*aliases, *aliases.values()} - known)
    if unknown:
        more = f", nor {len(unknown) - 1} more of its names" if len(unknown) > 1 else ""
        raise InvalidAliasesError(
            f"{path}: no video to learn from has the tag {unknown[0]!r}{more}",
            "correct these rows, or do not accept them",
        )


def _last_tag(path: Path, accepted: Mapping[str, str], alias: str) -> str:
    chain = [alias]
    while chain[-1] in accepted:
        chain.append(accepted[chain[-1]])
        if chain[-1] in chain[:-1]:
            cycle = " -> ".join(chain[chain.index(chain[-1]) :])
            raise InvalidAliasesError(f"{path}: aliases form a cycle: {cycle}", "one of them has to remain a tag")
    return chain[-1]
