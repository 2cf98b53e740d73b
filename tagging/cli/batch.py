"""The `videotag batch` command: tags the videos of a manifest into parquet files."""

from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options
from tagging.cli.console import Format, needs_extra, print_json, print_lines, print_table, progress
from tagging.errors import InvalidSelectionError, InvalidVideoError


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
    from tagging.features.triton.client import TritonClient
    from tagging.files.storage import Storage
    from tagging.jobs.batch import Executor, run_batch
    from tagging.jobs.job import BatchJob, Share
    from tagging.jobs.local import LocalExecutor
    from tagging.jobs.output import Observe, unobserved
    from tagging.jobs.stages import StageJob
    from tagging.jobs.timing import StageSeconds
    from tagging.manifests.filters import Condition
    from tagging.manifests.read import FIELDS, parse_columns
    from tagging.pipeline.load import load_selector, load_tagger

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
    with ExitStack() as opened:
        observe: Observe = unobserved
        if metrics is not None:
            with needs_extra("service"):
                from tagging.jobs.metrics import serving_metrics
            observe = opened.enter_context(serving_metrics(metrics))
        executor: Executor
        if ray is None:
            client = None if triton is None else opened.enter_context(TritonClient(triton, tls))
            seconds = StageSeconds()
            executor = LocalExecutor(opened.enter_context(load_tagger(folder, seconds, triton=client)), stages, seconds)
        else:
            with needs_extra("ray"):
                from tagging.jobs.ray_executor import RayExecutor, cluster
            plan = opened.enter_context(cluster(ray, encoders, taggers, part))
            executor = RayExecutor(folder, stages, plan, part)
        report = run_batch(job, storage, executor, progress(), part, observe)
    if output is Format.json:
        print_json(asdict(report))
    else:
        print_table([{"out": report.out, "tagged": report.tagged, "dead_letters": report.dead_letters}])
        if report.stage_seconds:
            print_lines([""])
            print_table(report.shown(), f"{report.done} rows in {report.seconds:.1f} s")
    if report.dead_letters and not report.tagged:
        raise InvalidVideoError("no row could be tagged", f"{out.rstrip('/')}/dead_letters has the reasons")
