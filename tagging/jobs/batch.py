"""Batch tagging: a manifest in, parquet out, failures in a table of their own; in one process or on a Ray cluster.

The driver reads the manifest as a stream, cuts it into shards and keeps the books: the parts of the output are the
record of what is done (output.py). Running a job again tags what is missing, the rows that were edited since, and the
videos whose failure was transient.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol

from tagging.files.storage import Storage
from tagging.jobs.job import WHOLE, BatchJob, Share, claim
from tagging.jobs.lease import leased
from tagging.jobs.output import BatchOutput, Observe, ShardCounts, unobserved
from tagging.jobs.shards import Shard
from tagging.jobs.summary import BatchSummary
from tagging.progress import Advance, Progress


class Executor(Protocol):
    """The executor that tags the shards: the local process or a cluster."""

    name: str

    def tag(self, shards: Iterable[Shard], advance: Advance) -> Iterator[ShardCounts]:
        """Write the parts of each shard and yield its counts, in any order; advance: called with rows that are done."""


def run_batch(
    job: BatchJob,
    storage: Storage,
    executor: Executor,
    progress: Progress,
    share: Share = WHOLE,
    observe: Observe = unobserved,
) -> BatchSummary:
    """Tag every video of the manifest of which the output does not contain the final result yet.

    observe: called with the counts of each shard that this run wrote
    Raises InvalidManifestError; OutputExistsError if the output contains anything but an unfinished run of this job, or
    another driver writes into it; OutputUnwritableError and BackendUnavailableError for storage that fails.
    """
    job.check_manifest()  # an unreadable manifest is reported before a folder is made
    started = time.monotonic()
    summary = BatchSummary(str(storage), job.bundle_version, executor.name)
    output = BatchOutput(storage)
    shards = job.shards()
    shards = chain([next(shards)], shards)  # a pipe can be read once only
    claim(storage, job.identity())
    with leased(storage, share) as lease, progress.track("tag", job.count_rows()) as advance:
        seen = 0

        def unfinished() -> Iterator[Shard]:
            nonlocal seen
            for shard in shards:
                seen = shard.number + 1
                if shard.number not in share:
                    continue
                counts = output.finished(shard)
                if counts is None:
                    yield shard
                else:
                    summary.add(counts)
                    advance(len(shard.rows))

        for counts in executor.tag(unfinished(), advance):
            lease.check()
            observe(counts)
            summary.add(counts)
        if share.drivers == 1:
            summary.removed_parts = output.remove_from(seen)
    summary.finish(time.monotonic() - started)
    summary.save(storage, share)
    return summary
