"""The commands `videotag tags new` and `videotag tags add`: new tags of a batch, and adding tags to a bundle."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, now, print_json, print_lines, print_table

SHOWN = 30


def new_command(
    results: Annotated[Path, typer.Argument(metavar="BATCH_DIR", help="Output folder of `videotag batch`.")],
    bundle: options.Bundle = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="FILE", help="Manifest of the batch, for uploaders and titles."),
    ] = None,
    columns: options.Columns = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write all new tags as CSV for review; must not exist.")
    ] = None,
    output: options.Output = Format.table,
) -> None:
    """List the new tags of a batch with their evidence. `tags add --from FILE` adds the accepted ones.

    A new tag is one that the bundle does not have under any spelling. In the file, `accept` is yes if the rule is
    certain; enter yes or no in the other rows. Without --manifest every video counts as one of a different uploader.

    [bold]Examples[/bold]

    videotag tags new tagged --bundle bundles/news --manifest backlog.jsonl

    videotag tags new tagged --bundle bundles/news --manifest backlog.jsonl --out new.csv
    """
    from tagging.maintenance.new_tag_table import propose_new_tags, write_new_tag_table
    from tagging.maintenance.review_table import require_new_table
    from tagging.manifests.read import parse_columns
    from tagging.tags.new_tag_proposals import PromotionRule

    if columns and manifest is None:
        raise typer.BadParameter("needs --manifest, whose columns it maps", param_hint="--map")
    if out is not None:
        require_new_table(out)
    rule = PromotionRule()
    tags = propose_new_tags(results, bundle or paths.default_bundle(), manifest, parse_columns(columns or []))
    if out is not None:
        write_new_tag_table(out, tags, rule)
    rows = [{"accept": "yes" if rule.accepts(tag) else "", **asdict(tag)} for tag in tags]
    summary = {
        "new_tags": len(tags),
        "accepted": sum(map(rule.accepts, tags)),
        "may_be_spellings": sum(bool(tag.spelling_of) for tag in tags),
        "uploaders": "by the manifest" if manifest else "unknown: every video counts as one of a different uploader",
    }
    if output is Format.json:
        print_json({**summary, "rule": asdict(rule), "tags": rows})
        return
    if not tags:
        print_lines(["the bundle has all tags of the batch"])
        return
    print_table([summary])
    shown = ("accept", "tag", "videos", "uploaders", "confidence", "spelling_of")
    print_table([{name: row[name] for name in shown} for row in rows[:SHOWN]], "The most used")
    if len(rows) > SHOWN and out is None:
        print_lines([f"... {len(rows) - SHOWN:,} more: --out FILE writes all of them"])


def add_command(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The bundle to write; must not exist.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Tags to add.")] = None,
    table: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="CSV of `videotag tags new`: rows with accept = yes.")
    ] = None,
    bundle: options.Bundle = None,
    output: options.Output = Format.table,
) -> None:
    """Write a bundle with more tags, without training: they are recalled by their names.

    An added tag is found if its name occurs in a text, if it means the same as a class of the vision or audio encoder,
    and, in a trained bundle, if the tag tower places its name near the video.

    [bold]Examples[/bold]

    videotag tags add pickleball "padel tennis" --out bundles/mine

    videotag tags add --from new.csv --bundle bundles/news --out bundles/news-2
    """
    from tagging.maintenance.add_tags import add_tags

    if not names and table is None:
        raise typer.BadParameter("give the names of tags, or a table with --from", param_hint="NAME")
    report = add_tags(bundle or paths.default_bundle(), names or [], out, table, created=now())
    if output is Format.json:
        print_json(asdict(report))
    else:
        print_table([asdict(report)])
