"""Local executor of a batch: one process, in which a shard is decoded and encoded while the one before it is tagged."""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice

from tagging.jobs.output import ShardCounts
from tagging.jobs.shards import Shard
from tagging.jobs.stages import StageJob, Work, encode_batches, encode_stored, write_shard
from tagging.jobs.timing import StageSeconds
from tagging.media.read_ahead import Failure, ReadVideo, ahead_of, read_media_ahead
from tagging.pipeline.models import EncodedVideo
from tagging.pipeline.tagger import Tagger
from tagging.progress import Advance
from tagging.types import VideoRef

Encoded = list[EncodedVideo | Failure]


class LocalExecutor:
    name = "local"

    def __init__(self, tagger: Tagger, job: StageJob, seconds: StageSeconds) -> None:
        """seconds: what the tagger measures its stages with"""
        self._tagger = tagger
        self._job = job
        self._seconds = seconds

    def tag(self, shards: Iterable[Shard], advance: Advance) -> Iterator[ShardCounts]:
        """Write the parts of each shard and yield its counts, in order; `advance` is called in another thread.

        Encoders and the tagger's other models work at the same time, on one shard each, so the slower of the two sets
        the pace.
        """
        stopped = threading.Event()

        def advance_unless_stopped(rows: int) -> None:
            if stopped.is_set():
                raise CancelledError("the batch has stopped")
            advance(rows)

        def write(shard: Shard, encoded: Encoded) -> ShardCounts:
            counts = write_shard(self._tagger, self._job, shard, encoded, advance_unless_stopped)
            return replace(counts, seconds=self._seconds.take(), done=len(encoded))

        with ThreadPoolExecutor(1, "tag") as writer:
            try:
                writing = deque[Future[ShardCounts]]()
                for shard, encoded in self._encoded(shards):
                    if writing:
                        yield writing.popleft().result()
                    writing.append(writer.submit(write, shard, encoded))
                if writing:
                    yield writing.popleft().result()
            finally:
                stopped.set()

    def _encoded(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, Encoded]]:
        """Yield each shard with its videos encoded; later videos decode meanwhile."""
        encoders, decoder, begun = self._tagger.models.encoders, self._tagger.decoder, deque[Work]()

        def videos() -> Iterator[VideoRef]:  # of all shards in one stream: decoding does not pause between two
            for shard in shards:
                begun.append(self._job.work(shard))
                yield from begun[-1].unread

        with closing(_timed(read_media_ahead(videos(), decoder, ahead_of(decoder)), self._seconds)) as read:
            ahead = list(islice(read, 1))  # taken from the stream to see which shards have begun
            while begun:
                work = begun.popleft()
                unread: Iterator[ReadVideo | Failure] = iter(())
                if work.unread:
                    unread, ahead = chain(ahead, islice(read, len(work.unread) - len(ahead))), []
                yield work.shard, [*encode_batches(encoders, unread, self._seconds), *encode_stored(encoders, work)]
                if not begun:
                    ahead = list(islice(read, 1))


def _timed(videos: Iterator[ReadVideo | Failure], seconds: StageSeconds) -> Generator[ReadVideo | Failure, None, None]:
    """Yield the videos; the time that encoding waits for decoding counts as its stage."""
    while True:
        with seconds("decode"):
            video = next(videos, None)
        if video is None:
            return
        yield video
