"""Command-line options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tagging.cli.console import Format

if TYPE_CHECKING:  # help is printed without the libraries that a command needs
    from tagging.features.triton.endpoint import TritonTls
    from tagging.store.database.config import DatabaseConfig

PROFILES = ("offline", "production")  # of tagging.config.profiles

Bundle = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="DIR", help="Bundle to use (default: the starter bundle)."),
]
Manifests = Annotated[
    list[Path],
    typer.Option("--manifest", metavar="FILE", help="JSONL, CSV or parquet table of videos; may be repeated."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=COLUMN", help="Read a field from a column with another name; may be repeated."
    ),
]
Profile = Annotated[str, typer.Option("--profile", help=f"Configuration to start from: {' or '.join(PROFILES)}.")]
ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option("--config", metavar="FILE", help="TOML file whose values override the profile's; may be repeated."),
]
Features = Annotated[
    Path | None,
    typer.Option(
        "--features",
        metavar="DIR",
        help="Feature store, which avoids encoding a video twice (default: one shared by all commands).",
    ),
]
Output = Annotated[Format, typer.Option("--format", help="Format of the result on stdout.")]
Precision = Annotated[
    float | None,
    typer.Option(
        "--precision",
        min=0.01,
        max=0.99,
        metavar="P",
        help="Target precision: answer only tags above the confidence that guarantees this share of correct tags, "
        "for uploaders like those trained on; no tags if none does.",
    ),
]
Runtime = Annotated[
    Literal["torch", "openvino"] | None,
    typer.Option(
        "--runtime",
        help="Library that runs the encoders' networks in this process, for the same vectors; openvino is faster on a "
        "CPU and needs the extra openvino (default: the bundle's setting).",
    ),
]
Triton = Annotated[
    str | None,
    typer.Option(
        "--triton",
        metavar="URL",
        help="grpc://HOST:PORT of a Triton Inference Server that runs the bundle's networks (default: this process); "
        "grpcs:// for TLS.",
    ),
]
TritonCa = Annotated[
    Path | None,
    typer.Option("--triton-ca", metavar="PEM", help="Authorities that sign the certificate of Triton, for TLS."),
]
TritonCertificate = Annotated[
    Path | None,
    typer.Option("--triton-certificate", metavar="PEM", help="Client certificate for Triton, for mutual TLS."),
]
TritonKey = Annotated[Path | None, typer.Option("--triton-key", metavar="PEM", help="Key of --triton-certificate.")]
MaxTags = Annotated[
    int | None,
    typer.Option("--max-tags", min=1, metavar="N", help="At most N tags a video (default: the bundle's setting)."),
]
ServerAddress = Annotated[
    str | None,
    typer.Option("--server", metavar="ADDRESS", help="HOST:PORT or unix:/PATH of a running service to ask."),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="VIDEOTAG_TOKEN",
        show_envvar=True,
        metavar="TOKEN",
        help="Token of --server; other users of this machine see it in the list of processes, unlike the variable.",
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option("--tls-ca", metavar="FILE", help="PEM file of authorities: connect to --server with TLS."),
]

TopicDatabase = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Database of `videotag topics serve`: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST:PORT/NAME.",
    ),
]
RecommendationDatabase = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Database of `videotag recommend serve`: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST:PORT/NAME "
        "(default: a SQLite file of the user's data folder).",
    ),
]


def distinct_seeds(seeds: list[int] | None) -> list[int]:
    """Return the seeds, 1 to 3 without any. Raises typer.BadParameter for a repeated one, which adds no spread."""
    repeated = next((seed for position, seed in enumerate(seeds or []) if seed in (seeds or [])[:position]), None)
    if repeated is not None:
        raise typer.BadParameter(f"{repeated} is given twice", param_hint="--seed")
    return seeds or [1, 2, 3]


def database_at(url: str, settings: "DatabaseConfig") -> "DatabaseConfig":
    """Return the settings of a database with another URL, which is never shown: it may contain a password."""
    from pydantic import SecretStr

    return settings.model_copy(update={"url": SecretStr(url)})


def triton_tls(ca: Path | None, certificate: Path | None, key: Path | None) -> "TritonTls | None":
    """Return the files for TLS to Triton; None without any. Raises typer.BadParameter for a client's alone."""
    from tagging.features.triton.endpoint import TritonTls

    if ca is not None:
        return TritonTls(ca=ca, certificate=certificate, key=key)
    if certificate is not None or key is not None:
        raise typer.BadParameter("a client certificate needs the authorities, too", param_hint="--triton-ca")
    return None
