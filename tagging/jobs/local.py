"""Local executor of a batch: one process with decode workers; later videos decode while earlier ones are tagged."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice

from tagging.jobs.output import ShardCounts
from tagging.jobs.shards import Shard
from tagging.jobs.stages import StageJob, Work, encode_batches, encode_stored, write_shard
from tagging.jobs.timing import StageSeconds
from tagging.media.read_ahead import Failure, ReadVideo, ahead_of, read_media_ahead
from tagging.pipeline.tagger import Tagger
from tagging.progress import Advance
from tagging.types import VideoRef


class LocalExecutor:
    name = "local"

    def __init__(self, tagger: Tagger, job: StageJob, seconds: StageSeconds) -> None:
        """seconds: what the tagger measures its stages with"""
        self._tagger = tagger
        self._job = job
        self._seconds = seconds

    def tag(self, shards: Iterable[Shard], advance: Advance) -> Iterator[ShardCounts]:
        """Write the parts of each shard and yield its counts, in order."""
        tagger, seconds, begun = self._tagger, self._seconds, deque[Work]()

        def videos() -> Iterator[VideoRef]:  # of all shards in one stream: decoding does not pause between two
            for shard in shards:
                begun.append(self._job.work(shard))
                yield from begun[-1].unread

        with closing(_timed(read_media_ahead(videos(), tagger.decoder, ahead_of(tagger.decoder)), seconds)) as read:
            ahead = list(islice(read, 1))  # taken from the stream to see which shards have begun
            while begun:
                work = begun.popleft()
                unread: Iterator[ReadVideo | Failure] = iter(())
                if work.unread:
                    unread, ahead = chain(ahead, islice(read, len(work.unread) - len(ahead))), []
                encoded = [*encode_batches(tagger.models.encoders, unread, seconds)]
                encoded += encode_stored(tagger.models.encoders, work)
                counts = write_shard(tagger, self._job, work.shard, encoded, advance)
                yield replace(counts, seconds=seconds.take(), done=len(encoded))
                if not begun:
                    ahead = list(islice(read, 1))


def _timed(videos: Iterator[ReadVideo | Failure], seconds: StageSeconds) -> Generator[ReadVideo | Failure, None, None]:
    """Yield the videos; the time that tagging waits for decoding counts as its stage."""
    while True:
        with seconds("decode"):
            video = next(videos, None)
        if video is None:
            return
        yield video
