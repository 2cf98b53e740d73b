"""Ray executor of a batch: the stages of each shard as tasks and actors of a Ray cluster.

    shard number → decode (tasks) → encode (actors) → recall, rank and write (actors) → counts

One row of the Ray dataset is one shard, so that a task is a shard. Ray schedules; the books are the parts that the last
stage writes (output.py), because Ray Data's own checkpoint is a beta, keeps two sinks in step by no means, and needs
the ids of all rows in memory when it resumes. The driver writes the rows of each unfinished shard to the output's
`_work-…` folder, so neither it nor the object store holds the manifest; it gets counts back and nothing else.
"""

import json
import logging
import os
import pickle
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

# Read when Ray is imported. A busy machine takes longer than the 30 s that its node may take to start.
os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what a user must know is raised
# Else Ray hides the GPUs from workers without one of their own, and warns that a later version will not.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext

from tagging.bundle.manifest import BUNDLE
from tagging.config.encoders import RuntimeName
from tagging.errors import BackendUnavailableError, VideotagError
from tagging.features.factory import load_encoders
from tagging.files.storage import Storage
from tagging.jobs.job import WHOLE, Share
from tagging.jobs.output import ShardCounts
from tagging.jobs.plan import Plan, plan_for
from tagging.jobs.shards import Shard, shard_from_json, shard_to_json
from tagging.jobs.stages import StageJob, encode_batches, encode_stored, write_shard
from tagging.jobs.timing import StageSeconds, added
from tagging.media.pool import DecodePool
from tagging.media.read_ahead import read_media_ahead
from tagging.pipeline.load import load_tagger
from tagging.progress import Advance

LOCAL = "local"
WORK = "_work-"  # and the share
SHARD = pa.schema([("shard", pa.int64()), ("value", pa.large_binary())])  # of the data between stages


class RayExecutor:
    name = "ray"

    def __init__(
        self, bundle: Path, job: StageJob, plan: Plan, share: Share = WHOLE, runtime: RuntimeName | None = None
    ) -> None:
        """bundle: its folder, which every node can read; runtime: as load_tagger's"""
        self._runtime = runtime
        self._bundle = str(bundle.resolve())
        self._job = job
        self._plan = plan
        self._share = share
        self._work = f"{WORK}{share}"

    def tag(self, shards: Iterable[Shard], advance: Advance) -> Iterator[ShardCounts]:
        """Write the parts of each shard and yield its counts, in the order in which they are done."""
        storage = Storage(self._job.out)
        self._remove_abandoned(storage)
        numbers = [self._send(storage, shard) for shard in shards]
        if numbers:
            yield from self._run(numbers, advance)
        storage.remove_folder(self._work)

    def _remove_abandoned(self, storage: Storage) -> None:
        """Remove the work of runs that were killed; the leases exclude those that live."""
        for name in storage.names():
            if name.startswith(WORK) and (name == self._work or not name.endswith(f"-of-{self._share.drivers}")):
                storage.remove_folder(name)

    def _send(self, storage: Storage, shard: Shard) -> int:
        """Write a shard for the workers; return its number."""
        storage.write(_work_name(self._work, shard.number), shard_to_json(shard).encode("ascii"))
        return shard.number

    def _run(self, numbers: list[int], advance: Advance) -> Iterator[ShardCounts]:
        plan, decode = self._plan, partial(_decode, job=self._job, work_folder=self._work)
        dataset = (
            ray.data.from_items([{"shard": number} for number in numbers], override_num_blocks=len(numbers))
            .map_batches(
                decode,
                batch_size=1,
                batch_format="pyarrow",
                num_cpus=1,
                compute=ray.data.TaskPoolStrategy(plan.decoders),
            )
            .map_batches(
                _Encoder,
                fn_constructor_args=(self._bundle, self._runtime),
                batch_size=1,
                batch_format="pyarrow",
                num_cpus=1,
                num_gpus=plan.gpus_per_encoder,
                compute=ActorPoolStrategy(size=plan.encoders),
            )
            .map_batches(
                _Tagger,
                fn_constructor_args=(self._bundle, self._job, self._runtime),
                batch_size=1,
                batch_format="pyarrow",
                num_cpus=1,
                compute=ActorPoolStrategy(size=plan.taggers),
            )
        )
        with _known_errors(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of Ray, about fewer shards than workers
            for row in dataset.iter_rows():
                counts = ShardCounts(**json.loads(row["value"]))
                advance(counts.tagged + counts.dead_letters)
                yield counts


@contextmanager
def cluster(
    address: str, encoders: int | None = None, taggers: int | None = None, share: Share = WHOLE
) -> Iterator[Plan]:
    """Connect to a cluster, or start one on this machine for the address "local"; provide the plan for it.

    share: its driver gets a part of a cluster; one on this machine is its own
    Raises BackendUnavailableError if no cluster answers, and InvalidConfigError for one that is too small.
    """
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == LOCAL:
        # Logical CPUs: the stages take turns where there are fewer.
        cpus = max(os.cpu_count() or 1, 4)
        options |= {"address": "local", "num_cpus": cpus, "include_dashboard": False}
    else:
        options |= {"address": address}
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises plain ones, too
        first = str(error).strip().splitlines()[0]
        raise BackendUnavailableError(f"no Ray cluster at {address}: {first}", "check the address") from error
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = DataContext.get_current()
        context.enable_progress_bars = False
        yield plan_for(_resources(), encoders, taggers, WHOLE if address == LOCAL else share)
    finally:
        ray.shutdown()


def _resources() -> Mapping[str, float]:
    untyped: Any = ray
    found: Mapping[str, float] = untyped.cluster_resources()
    return found


def _work_name(folder: str, number: int) -> str:
    return f"{folder}/shard-{number:05d}"


def _decode(table: pa.Table, job: StageJob, work_folder: str) -> pa.Table:
    """Decode the videos of one shard, each in a process of its own that may hang or crash."""
    [number] = table["shard"].to_pylist()
    shard = shard_from_json(Storage(job.out).read(_work_name(work_folder, number)))
    work, seconds = job.work(shard), StageSeconds()
    with seconds("decode"):
        if job.media is not None and any(video.uri is not None for video in work.unread):
            with DecodePool(job.media, workers=1) as pool:
                read = list(read_media_ahead(work.unread, pool, ahead=2))
        else:
            read = list(read_media_ahead(work.unread, None, ahead=1))
    return _row(number, (work, read, seconds.take()))


class _Encoder:
    """An actor with the bundle's encoders."""

    def __init__(self, bundle: str, runtime: RuntimeName | None) -> None:
        self._seconds = StageSeconds()
        self._encoders = load_encoders(BUNDLE.read(Path(bundle)).config.encoders.on(runtime))

    def __call__(self, table: pa.Table) -> pa.Table:
        number, (work, read, seconds) = _value(table)
        encoded = [*encode_batches(self._encoders, read, self._seconds), *encode_stored(self._encoders, work)]
        return _row(number, (work.shard, encoded, added(seconds, self._seconds.take())))


class _Tagger:
    """An actor with the bundle's recall, ranker and text encoder, which new tags are read by."""

    def __init__(self, bundle: str, job: StageJob, runtime: RuntimeName | None) -> None:
        self._seconds = StageSeconds()
        self._tagger = load_tagger(Path(bundle), self._seconds, reads_media=False, runtime=runtime)
        self._job = job

    def __call__(self, table: pa.Table) -> pa.Table:
        number, (shard, encoded, seconds) = _value(table)
        counts = asdict(write_shard(self._tagger, self._job, shard, encoded))
        counts |= {"seconds": added(seconds, self._seconds.take()), "done": len(encoded)}
        return pa.Table.from_pylist([{"shard": number, "value": json.dumps(counts).encode()}], SHARD)


def _row(number: int, value: tuple[Any, ...]) -> pa.Table:
    return pa.Table.from_pylist([{"shard": number, "value": pickle.dumps(value, pickle.HIGHEST_PROTOCOL)}], SHARD)


def _value(table: pa.Table) -> tuple[int, Any]:
    [row] = table.to_pylist()
    return row["shard"], pickle.loads(row["value"])  # written by an earlier stage of this job


@contextmanager
def _known_errors() -> Iterator[None]:
    """Raise the known error that a worker met, instead of Ray's report of it."""
    try:
        yield
    except ray.exceptions.RayError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, VideotagError):
                raise cause from error
            cause = getattr(cause, "cause", None) or cause.__cause__
        raise
