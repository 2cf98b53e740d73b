"""The `videotag tags` commands: aliases, new tags and additions for the catalog of a bundle."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import new_tags, options
from tagging.cli.console import Format, print_json, print_lines, print_table

SHOWN = 30

app = typer.Typer(help="The tags of a bundle.", no_args_is_help=True)
app.command("new")(new_tags.new_command)
app.command("add")(new_tags.add_command)


@app.callback()
def tags() -> None:
    """The tags of a bundle."""


@app.command("aliases")
def aliases_command(
    bundle: options.Bundle = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write all proposals as CSV; must not exist."),
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """Propose aliases: spellings of one tag, with their evidence. `train --aliases FILE` merges the accepted ones.

    In the file, `accept` is yes where the rule is certain; enter yes or no in the other rows.

    [bold]Examples[/bold]

    videotag tags aliases --bundle bundles/news

    videotag tags aliases --bundle bundles/news --out aliases.csv
    """
    from tagging.maintenance.alias_table import propose_bundle_aliases, write_alias_table
    from tagging.maintenance.review_table import require_new_table
    from tagging.tags.alias_proposals import AliasRule

    if out is not None:
        require_new_table(out)
    rule = AliasRule()
    proposals = propose_bundle_aliases(bundle or paths.default_bundle())
    if out is not None:
        write_alias_table(out, proposals, rule)
    rows = [{"accept": "yes" if rule.accepts(proposal) else "", **asdict(proposal)} for proposal in proposals]
    kinds = Counter(" + ".join(proposal.differences) for proposal in proposals)
    accepted = Counter(" + ".join(proposal.differences) for proposal in proposals if rule.accepts(proposal))
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    counts = [{"difference": kind, "proposals": n, "accepted": accepted[kind]} for kind, n in ordered]
    if output is Format.json:
        print_json({"differences": counts, "proposals": rows})
        return
    if not proposals:
        print_lines(["no two tags look like spellings of the same tag"])
        return
    print_table(counts)
    shown = ("accept", "tag", "alias", "tag_videos", "alias_videos", "together")
    print_table([{name: row[name] for name in shown} for row in rows[:SHOWN]], "The most used")
    if len(rows) > SHOWN and out is None:
        print_lines([f"... {len(rows) - SHOWN:,} more: --out FILE writes all of them"])
