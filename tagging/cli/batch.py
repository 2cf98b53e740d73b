"""The `videotag batch` command: tags the videos of a manifest into parquet files."""

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, print_json, print_table, progress
from tagging.errors import InvalidVideoError


def command(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="JSONL, CSV or parquet table of videos.")],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the results; may be that of a stopped run."),
    ],
    bundle: options.Bundle = None,
    columns: options.Columns = None,
    max_tags: options.MaxTags = None,
    precision: options.Precision = None,
    triton: options.Triton = None,
    output: options.Output = Format.table,
) -> None:
    """Tag every video of a manifest into DIR/*.parquet; failures are in DIR/dead_letters/ with the reason.

    Running the same command again resumes a stopped run, and tags the rows that were edited since and the videos whose
    failure was transient. If no row could be tagged, the exit code is 1.

    [bold]Examples[/bold]

    videotag batch backlog.parquet --out tagged

    videotag batch backlog.csv --map video_id=id --max-tags 5 --out tagged
    """
    from tagging.features.triton.client import TritonClient
    from tagging.jobs.local import run_batch
    from tagging.manifests.read import parse_columns
    from tagging.pipeline.load import load_tagger

    renamed = parse_columns(columns or [])
    with ExitStack() as opened:
        client = None if triton is None else opened.enter_context(TritonClient(triton))
        tagger = opened.enter_context(load_tagger(bundle or paths.default_bundle(), triton=client))
        report = run_batch(manifest, renamed, out, tagger, tagger.selection(max_tags, precision), progress())
    if output is Format.json:
        print_json(asdict(report))
    else:
        print_table([asdict(report)])
    if report.dead_letters and not report.tagged:
        raise InvalidVideoError("no row could be tagged", f"{out / 'dead_letters'} has the reasons")
