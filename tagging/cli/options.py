"""Options that several commands share, each written once."""

from pathlib import Path
from typing import Annotated

import typer

from tagging.cli.console import Format
from tagging.config.profiles import PROFILES

Bundle = Annotated[
    Path | None,
    typer.Option(
        "--bundle", metavar="DIR", help="Bundle to use; without it, the starter bundle that comes with videotag."
    ),
]
Manifests = Annotated[
    list[Path],
    typer.Option("--manifest", metavar="FILE", help="JSONL, CSV or parquet table of videos; may be repeated."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN", help="Read a field from a column of another name; may be repeated."),
]
Profile = Annotated[str, typer.Option("--profile", help=f"What to start from: {' or '.join(PROFILES)}.")]
ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option("--config", metavar="FILE", help="TOML file whose values replace the profile's; may be repeated."),
]
Features = Annotated[
    Path | None,
    typer.Option(
        "--features",
        metavar="DIR",
        help="Feature store, so that nothing is encoded twice (default: one that all trainings share).",
    ),
]
Output = Annotated[Format, typer.Option("--format", help="How the result is printed on stdout.")]
Precision = Annotated[
    float | None,
    typer.Option(
        "--precision",
        min=0.01,
        max=0.99,
        metavar="P",
        help="Answer only what keeps this share of right tags, on videos of uploaders like those trained on; "
        "where nothing does, answer nothing.",
    ),
]
MaxTags = Annotated[
    int | None,
    typer.Option("--max-tags", min=1, metavar="N", help="At most N tags a video (default: the bundle's setting)."),
]
