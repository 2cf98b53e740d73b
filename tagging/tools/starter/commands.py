"""Commands of `python -m tagging.tools starter`: building, reviewing and calibrating the starter bundle."""

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli.console import print_table, progress
from tagging.config.profiles import CALIBRATION, load_config
from tagging.config.recall import NamesConfig
from tagging.errors import InvalidConfigError
from tagging.manifests.read import parse_columns
from tagging.progress import Silent

BUNDLE = paths.default_bundle()

app = typer.Typer(help="Build, review and calibrate the starter bundle.", no_args_is_help=True)

Bundle = Annotated[Path, typer.Option("--bundle", metavar="DIR", help="The starter bundle.")]
ClipFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of clips.")]
Share = Annotated[
    float | None, typer.Option("--share", help="Share of frames and sound examples that count (default: the bundle's).")
]


class Source(StrEnum):
    seen = "seen"
    heard = "heard"
    literal = "literal"
    described = "described"
    written = "written"
    spoken = "spoken"
    shown = "shown"


@app.command("build")
def build_command(
    annotations: Annotated[Path, typer.Option("--annotations", metavar="DIR", help="The label lists.")],
    titles: Annotated[Path, typer.Option("--titles", metavar="FILE", help="Manifest of titles with creators' tags.")],
    columns: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Columns of --titles.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Must not exist.")] = BUNDLE,
    config: Annotated[
        list[Path] | None, typer.Option("--config", metavar="FILE", help="TOML over the offline profile.")
    ] = None,
) -> None:
    """Write the starter bundle."""
    from tagging.tools.starter.build import build

    renamed = parse_columns(columns or [])
    report = build(annotations, titles, renamed, out, load_config("offline", *(config or [])))
    sys.stdout.write(json.dumps(asdict(report), indent=1) + "\n")


@app.command("propose")
def propose_command(
    clips: ClipFolder,
    out: Annotated[Path, typer.Option("--out", metavar="CSV")],
    bundle: Bundle = BUNDLE,
    share: Share = None,
) -> None:
    """Write all tags that frames, sound, speech and screen text of clips propose, without a threshold, for review."""
    from tagging.tools.starter.propose import propose, write_proposals

    proposed = propose(clips, bundle, Silent(), share)
    write_proposals(proposed, out)
    sys.stdout.write(f"{len(proposed)} proposals in {out}\n")


@app.command("clips")
def clips_command(
    clips: ClipFolder,
    labels: Annotated[Path, typer.Option("--labels", metavar="CSV", help="Columns file, label, caption.")],
    is_open: Annotated[bool, typer.Option("--open", help="Without a confidence threshold.")] = False,
    bundle: Bundle = BUNDLE,
) -> None:
    """Show the bundle's tags of clips next to their labels."""
    from tagging.tools.starter.clips import name_clips, read_labels

    labelled = read_labels(labels)
    named = name_clips(clips, labelled, bundle, is_open, progress())
    print_table(
        [
            {"clip": clip.file, "label": clip.caption, "tags": ", ".join(clip.tags), "agrees": clip.agrees}
            for clip in named
        ]
    )
    agree = sum(clip.agrees for clip in named)
    sys.stdout.write(f"a word of the label or caption is among the tags of {agree} of {len(named)} clips\n")
    if unreadable := len(labelled) - len(named):
        sys.stdout.write(f"{unreadable} clips could not be read\n")


@app.command("ablate")
def ablate_command(
    clips: ClipFolder,
    labels: Annotated[Path, typer.Option("--labels", metavar="CSV", help="Columns file, label, caption.")],
    bundle: Bundle = BUNDLE,
) -> None:
    """Count the tags that agree with the clips' labels with and without speech and text on the screen."""
    from tagging.tools.starter.ablation import ablate_readers
    from tagging.tools.starter.clips import read_labels

    print_table([asdict(row) for row in ablate_readers(clips, read_labels(labels), bundle, progress())])


@app.command("calibrate")
def calibrate_command(
    reviews: Annotated[
        Path | None,
        typer.Option("--judged", metavar="CSV", help="Output of `propose` with `right` and `part` filled in."),
    ] = None,
    clips: Annotated[
        list[Path] | None, typer.Option("--clips", metavar="DIR", help="Folder of the reviewed clips; may be repeated.")
    ] = None,
    titles: Annotated[
        Path | None, typer.Option("--titles", metavar="FILE", help="Manifest of videos with their creators' tags.")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Columns of --titles.")
    ] = None,
    share: Share = None,
    source: Annotated[
        list[Source] | None,
        typer.Option("--source", help="Sources to calibrate; may be repeated (default: all of --judged and --titles)."),
    ] = None,
    precision: Annotated[float, typer.Option("--precision", help="Precision of the answers to keep.")] = 0.75,
    bundle: Bundle = BUNDLE,
    out: Annotated[Path, typer.Option("--out", metavar="JSON")] = CALIBRATION,
) -> None:
    """Fit thresholds and probabilities on reviewed clips, or on real titles."""
    from tagging.tools.starter.calibrate import (
        NO_LIMIT,
        TITLE_SOURCES,
        ReviewedProposals,
        calibrated,
        reviewed_clips,
        tagged_titles,
        with_share,
    )
    from tagging.tools.starter.propose import propose

    names = NamesConfig.model_validate_json(CALIBRATION.read_text(encoding="utf-8"))
    by_source: dict[str, ReviewedProposals] = {}
    if titles:
        by_source |= tagged_titles(titles, parse_columns(columns or []), bundle, source or TITLE_SOURCES)
    if reviews:
        if not clips:
            raise InvalidConfigError("--judged without --clips", "pass the folders of the reviewed clips with --clips")
        if share:
            names = with_share(names, share)
        proposed = [row for folder in clips for row in propose(folder, bundle, Silent(), share, most=NO_LIMIT)]
        found = reviewed_clips(reviews, proposed)
        by_source |= {name: rows for name, rows in found.items() if name in (source or found)}
    names, reports = calibrated(names, by_source, bundle, precision)
    out.write_text(names.model_dump_json(exclude_defaults=True, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps([asdict(report) for report in reports], indent=1) + "\n")
