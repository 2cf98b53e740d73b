"""The `videotag batch` command: tags the videos of a manifest into parquet files."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, needs_extra, print_json, print_lines, print_table, progress
from tagging.errors import InvalidSelectionError, InvalidVideoError

if TYPE_CHECKING:
    from tagging.config.encoders import RuntimeName
    from tagging.features.triton.endpoint import TritonTls
    from tagging.jobs.batch import Executor
    from tagging.jobs.job import Share
    from tagging.jobs.output import Observe
    from tagging.jobs.stages import StageJob
    from tagging.jobs.summary import BatchSummary


def command(
    manifest: Annotated[
        str,
        typer.Argument(metavar="MANIFEST", help="JSONL, CSV or parquet table of videos; a path or an s3:// address."),
    ],
    out: Annotated[
        str,
        typer.Option("--out", metavar="DIR", help="Folder or s3:// address for the results; may be of a stopped run."),
    ],
    bundle: options.Bundle = None,
    columns: options.Columns = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="FIELD=VALUE", help="Tag only these rows (also FIELD!=VALUE); may be repeated."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="Tag only the first N of these rows.")
    ] = None,
    max_tags: options.MaxTags = None,
    precision: options.Precision = None,
    keep_features: Annotated[
        bool, typer.Option("--keep-features", help="Store what the encoders saw, for a later --retag.")
    ] = False,
    retag: Annotated[
        str | None,
        typer.Option(
            "--retag",
            metavar="OUT",
            help="Use the stored features of this earlier output instead of decoding, and write the tags that changed "
            "to DIR/diff.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            "--ray-address",
            metavar="ADDRESS",
            help="Run on this Ray cluster; local: start one on this machine.",
        ),
    ] = None,
    encoders: Annotated[
        int | None,
        typer.Option("--encoders", min=1, metavar="N", help="Ray actors that encode (default: by the cluster's size)."),
    ] = None,
    taggers: Annotated[
        int | None, typer.Option("--taggers", min=1, metavar="N", help="Ray actors that recall, rank and write.")
    ] = None,
    share: Annotated[
        str, typer.Option("--share", metavar="K/N", help="Tag the K-th of N shares; N drivers may fill one DIR.")
    ] = "1/1",
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="HOST:PORT", help="Serve Prometheus metrics here while it runs."),
    ] = None,
    runtime: options.Runtime = None,
    triton: options.Triton = None,
    triton_ca: options.TritonCa = None,
    triton_certificate: options.TritonCertificate = None,
    triton_key: options.TritonKey = None,
    output: options.Output = Format.table,
) -> None:
    """Tag every video of a manifest into DIR/tagged/*.parquet; failures are in DIR/dead_letters/ with the reason.

    Running the same command again resumes a stopped run, and tags the rows that were edited since and the videos whose
    failure was transient. If no row could be tagged, the exit code is 1.

    [bold]Examples[/bold]

    videotag batch backlog.parquet --out tagged

    videotag batch backlog.csv --map video_id=id --where language=de --max-tags 5 --out tagged

    videotag batch s3://bucket/backlog.parquet --ray ray://head:10001 --keep-features --out s3://bucket/tagged

    videotag batch backlog.parquet --retag tagged --bundle bundles/new --out retagged
    """
    from tagging.bundle.manifest import BUNDLE
    from tagging.files.storage import Storage
    from tagging.jobs.batch import run_batch
    from tagging.jobs.job import BatchJob, Share
    from tagging.jobs.stages import StageJob
    from tagging.manifests.filters import Condition
    from tagging.manifests.read import FIELDS, parse_columns
    from tagging.pipeline.load import load_selector

    if ray is not None and triton is not None:
        raise InvalidSelectionError(
            "--ray and --triton exclude each other", "Ray's actors load the encoders themselves"
        )
    tls = options.triton_tls(triton_ca, triton_certificate, triton_key)
    folder, storage, part = bundle or paths.default_bundle(), Storage(out), Share.parse(share)
    about = BUNDLE.read(folder)
    job = BatchJob(
        manifest,
        parse_columns(columns or []),
        about.version,
        load_selector(folder, about).selection(max_tags, precision),
        tuple(Condition.parse(text, FIELDS) for text in where or ()),
        limit,
        keeps_features=keep_features,
        retags=retag,
    )
    stages = StageJob.of(job, storage, about)
    starting = (
        _on_this_machine(folder, stages, runtime, triton, tls)
        if ray is None
        else _on_ray(folder, stages, runtime, part, ray, encoders, taggers)
    )
    with _observing(metrics) as observe, starting as executor:
        summary = run_batch(job, storage, executor, progress(), part, observe)
    if output is Format.json:
        print_json(asdict(summary))
    else:
        _print_summary(summary)
    if summary.dead_letters and not summary.tagged:
        raise InvalidVideoError("no row could be tagged", f"{out.rstrip('/')}/dead_letters has the reasons")


@contextmanager
def _observing(metrics: str | None) -> "Iterator[Observe]":
    """Serve metrics at an address, if there is one."""
    from tagging.jobs.output import unobserved

    if metrics is None:
        yield unobserved
        return
    with needs_extra("service"):
        from tagging.jobs.metrics import serving_metrics
    with serving_metrics(metrics) as observe:
        yield observe


@contextmanager
def _on_this_machine(
    folder: Path, stages: "StageJob", runtime: "RuntimeName | None", triton: str | None, tls: "TritonTls | None"
) -> "Iterator[Executor]":
    from tagging.features.triton.client import TritonClient
    from tagging.jobs.local import LocalExecutor
    from tagging.jobs.timing import StageSeconds
    from tagging.pipeline.load import load_tagger

    seconds = StageSeconds()
    with (
        nullcontext() if triton is None else TritonClient(triton, tls) as client,
        load_tagger(folder, seconds, triton=client, runtime=runtime) as tagger,
    ):
        yield LocalExecutor(tagger, stages, seconds)


@contextmanager
def _on_ray(
    folder: Path,
    stages: "StageJob",
    runtime: "RuntimeName | None",
    part: "Share",
    address: str,
    encoders: int | None,
    taggers: int | None,
) -> "Iterator[Executor]":
    with needs_extra("ray"):
        from tagging.jobs.ray_executor import RayExecutor, cluster
    with cluster(address, encoders, taggers, part) as plan:
        yield RayExecutor(folder, stages, plan, part, runtime)


def _print_summary(summary: "BatchSummary") -> None:
    print_table([{"out": summary.out, "tagged": summary.tagged, "dead_letters": summary.dead_letters}])
    if summary.stage_seconds:
        print_lines([""])
        print_table(summary.shown(), f"{summary.done} rows in {summary.seconds:.1f} s")
